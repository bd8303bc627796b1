"""Who proposes: genetic programming and random search. Never trains, and never reaches torch."""
