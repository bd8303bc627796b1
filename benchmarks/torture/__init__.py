"""Kills runs, damages their files, fills their disk and loads them: docs/reliability.md.

victims      what is run, and which of its files have to come out the same
running      processes that are killed, and what they say
saboteur     symloss with an accident at one of its writes
kills, writes, disk, corruption, repeats, load    the parts, each of which answers in rows
page         the rows as a page
"""
