"""The blend: the network, steps between items, likeness of texts and the cross-aisle ridge as one ranking. Imports: files of its room."""
