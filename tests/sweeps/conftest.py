import pytest


@pytest.fixture
def plan(pictures, network_file, small):
    """Two weights by two layer sets, on a small picture."""
    settings = {name: value for name, value in small.items() if name != "style_layers"}
    return {
        "contents": str(pictures[0]),
        "styles": str(pictures[1]),
        "networks": str(network_file),
        "settings": settings,
        "grid": {
            "style_weight": [1.0, 30.0],
            "style_layers": [["relu1_1"], ["relu1_1", "relu2_1"]],
        },
    }
