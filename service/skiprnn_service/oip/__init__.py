"""Tensors, outputs, sequences of the Open Inference Protocol. Imports streams, models, engine, settings, errors."""
