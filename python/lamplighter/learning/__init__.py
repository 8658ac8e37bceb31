"""Active learning: models are trained, explored with, labelled where they are ignorant, and trained again."""
