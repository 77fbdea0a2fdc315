"""One model's computation: streams, batches, the update step; no web. Imports errors, stats and skiprnn_export."""
