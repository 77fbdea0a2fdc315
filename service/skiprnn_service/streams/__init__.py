"""Who owns a stream, and what of it is saved. Imports models, stores, engine, stats and errors."""
