"""LeNet-5 in PyTorch: 10 epochs of 8 minibatches of 128, Adam."""

import numpy as np
import torch
from torch import nn

rng = np.random.default_rng(0)
labels = rng.integers(0, 10, 1024)
X = (rng.random((10, 28, 28, 1))[labels] + rng.normal(0, 0.1, (1024, 28, 28, 1))).astype(np.float32)

torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(1, 6, 5, padding=2),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(6, 16, 5),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(400, 120),
    nn.ReLU(),
    nn.Linear(120, 84),
    nn.ReLU(),
    nn.Linear(84, 10),
)
optimizer = torch.optim.Adam(model.parameters())
x, y = torch.from_numpy(X.transpose(0, 3, 1, 2).copy()), torch.from_numpy(labels)
for _ in range(10):
    for i in range(0, 1024, 128):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[i : i + 128]), y[i : i + 128]).backward()
        optimizer.step()
print((model(x).argmax(1) == y).float().mean().item())
