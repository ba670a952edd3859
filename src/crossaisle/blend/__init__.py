"""The blend: the network, steps between items, likeness of texts and the shoppers of other aisles as one ranking. Imports: files of its room."""
