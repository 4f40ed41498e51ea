"""The shortest images of vectors, against all images within three cells."""

from itertools import product

import pytest
import torch

from phaselearn.crystal.minimum_image import minimum_image, minimum_image_distance, nearer_than

# Reduced cells: cubic, one near the limit of a reduced cell's angles, and a flat one.
LATTICE = torch.tensor(
    [
        [[5.0, 0.0, 0.0], [0.0, 5.0, 0.0], [0.0, 0.0, 5.0]],
        [[4.0, 0.0, 0.0], [1.9, 3.7, 0.0], [1.9, 0.9, 3.6]],
        [[3.0, 0.0, 0.0], [-1.4, 9.0, 0.0], [-1.4, 4.3, 12.0]],
    ],
    dtype=torch.float64,
)


def points(seed, count=6):
    return 5 * torch.randn(len(LATTICE), count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def shortest(difference):
    """Lengths (B, K, M) of the shortest of 343 images."""
    near = difference - difference.round()
    cells = torch.tensor(list(product(range(-3, 4), repeat=3)), dtype=torch.float64)
    images = (near[..., None, :] + cells) @ LATTICE[:, None, None]
    return images.norm(dim=-1).amin(-1)


def test_lengths_are_those_of_the_shortest_of_all_images():
    difference = points(0)[:, :, None] - points(1)[:, None]
    image, length = minimum_image(difference, LATTICE)
    torch.testing.assert_close(length, shortest(difference))
    torch.testing.assert_close((image @ LATTICE[:, None]).norm(dim=-1), length)
    whole = image - difference
    torch.testing.assert_close(whole, whole.round())


def test_distances_between_points_are_those_of_the_shortest_images():
    first, second = points(2), points(3)
    expected = shortest(first[:, :, None] - second[:, None])
    torch.testing.assert_close(minimum_image_distance(first, second, LATTICE), expected)


@pytest.mark.parametrize("distance", [0.7, 1.3, 2.5])
def test_pairs_are_near_whose_shortest_image_is_shorter_than_the_distance(distance):
    """Of 2.5 Å only the cube's planes are far enough apart for the nearest image to be the rounded one."""
    first, second = points(4, 90), points(5, 80)
    near = nearer_than(first, second, LATTICE, distance)
    assert torch.equal(near, shortest(first[:, :, None] - second[:, None]) < distance)
    assert near.flatten(1).any(1).all()
    assert not near.all()
