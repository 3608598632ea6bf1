"""Lesions from disk to arrays and back: the table, the readers, the images, the masks, the splits, the phantom."""
