"""Making data sets, by any number of processes, so that no finished work is repeated.

make           a recipe -> a data set
derive         a data set and one of the `operations` -> another
job            a data set made universe by universe; `build` shares the work and resumes it
"""
