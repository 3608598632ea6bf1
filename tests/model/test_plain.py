"""The textbook DCGAN: the shapes of Radford et al. 2016, figure 1."""

import torch
from torch import nn

from augmentor.model.plain import PlainDiscriminator, PlainGenerator


def test_the_generator_doubles_its_side_and_halves_its_channels_from_1024_at_4x4():
    made, maps = PlainGenerator(64, 3, 128), []
    for layer in made.layers:
        if isinstance(layer, nn.ConvTranspose2d):
            layer.register_forward_hook(lambda _layer, _given, found: maps.append(tuple(found.shape[1:])))
    made(torch.randn(2, 100))
    assert maps == [(1024, 4, 4), (512, 8, 8), (256, 16, 16), (128, 32, 32), (3, 64, 64)]


def test_no_batch_norm_at_the_generators_output_nor_at_the_discriminators_input():
    last = [type(layer) for layer in PlainGenerator(64, 1, 8).layers][-2:]
    first = [type(layer) for layer in PlainDiscriminator(64, 1, 8).layers][:2]
    assert last == [nn.ConvTranspose2d, nn.Tanh]
    assert first == [nn.Conv2d, nn.LeakyReLU]
