"""A liquid is made of a recipe: which molecules, how many of each, in which box, without two that touch."""
