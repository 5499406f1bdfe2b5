"""What is asked: sources of problems with gold answers, and the batches made of them.

A task is a random-access source of `structs.Problem`: it has a length, and `task[i]` is its i-th
problem, the same at every call. Splits are tasks of their own.
"""
