"""Batched image operators on bytes, and recipes that draw from them.

Pillow defines what each operator computes, to the byte: published augmentation pipelines run through it, so
an approximation would be another method. All operators take `uint8 [G, C, H, W]` on any device together with
one parameter per image, never look at a value from the host, and return new images of the same shape.

- `photometric`: brightness, contrast and the like; each pixel stays where it is.
- `geometric`: rotation, shear and translation, all as one integer gather.
- `cutout`: boxes of one colour.
- `catalogue`: the operators by name, with the unit of their magnitude.
- `recipes`: which operators, how strong, how often: printable data.
- `published`: the recipes that there are, with `torchvision_pools` for those of torchvision.
- `engine`: draws choices for a batch on the host and applies them on the device.
"""
