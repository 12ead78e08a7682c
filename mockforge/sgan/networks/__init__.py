"""The networks of a SGAN: generators, discriminators, augmentation."""
