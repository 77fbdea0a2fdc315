"""What sequences are scored from and to: a format a file, reader and writer. Imports engine and errors."""
