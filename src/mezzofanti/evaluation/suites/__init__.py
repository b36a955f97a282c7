"""Ready suites of questions made from public data: one file a suite, each reading a folder that the user names.

`long_sequence` and `wikipedia_leads` give lessons and an exam (`load_task`), `humaneval` gives programming
problems that are checked in the sandbox. None of the data is part of the project.
"""
