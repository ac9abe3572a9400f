"""What people's eyes say of the sample grid: the file of votes and stars, and which place wins.

    vote_file.py     data/votes.yaml: blind votes, and stars and notes of single places
    grid_places.py   the places of a grid that can be voted on
    strengths.py     Bradley-Terry: how strong each place is, and how sure that is
    winner.py        the file that `merge.epoch: voted` takes

The workbench writes the file, the merge stage reads it.
"""
