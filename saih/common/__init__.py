"""Common ground of the harness and of `augment`: files, locks, processes, batch jobs. Imports nothing else of ours."""
