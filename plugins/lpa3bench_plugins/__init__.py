"""The plugins that come with lpa3bench: they enter through the same door as anybody else's."""
