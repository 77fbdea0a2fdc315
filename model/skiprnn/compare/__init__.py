"""Is skipping worth it here? The same task with learned, uniform and random gates, and with updates at every sample.

plan      which runs there are
runner    train them, each as a process of its own
outcome   what one run gave, on whole recordings where there are some
table     their outcomes, a row a setting
verdict   what these numbers say, in words
report    files: results.json, results.csv, table.md, the front as a picture
"""
