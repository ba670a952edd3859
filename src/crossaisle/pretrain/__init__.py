"""Domain pretraining: a language model goes on learning from a shop's own text and baskets. Imports: files of its room."""
