"""The augmentation card: what an augmenter does to images, label and training, measured."""
