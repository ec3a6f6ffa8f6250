import pytest

from jnst.networks.layers import VGG19
from jnst.sweeps.flops import operations, operations_a_second


def test_the_operations_of_the_whole_network():
    """19.6e9 multiply-adds at 224 px (He et al. 2015), 0.124e9 of them behind pool5."""
    assert operations(VGG19.layers, (224, 224)) / 2 == pytest.approx(19.6e9 - 0.124e9, rel=0.003)


def test_the_operations_of_a_few_layers():
    assert operations([], (7, 5)) == 0
    assert operations(["relu1_1"], (7, 5)) == 2 * 7 * 5 * 9 * 3 * 64
    # An odd last row and column are left out by pooling.
    first = 7 * 5 * (9 * 3 * 64 + 9 * 64 * 64)
    assert operations(["conv2_1", "relu1_2"], (7, 5)) == 2 * (first + 3 * 2 * 9 * 64 * 128)


def test_a_matrix_product_takes_some_time():
    assert 1e6 < operations_a_second(64, 2) < 1e18
