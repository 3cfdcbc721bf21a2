"""XOR in PyTorch: 1000 steps of gradient descent."""

import torch
from torch import nn

X = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = torch.tensor([[0.0], [1.0], [1.0], [0.0]])

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
for _ in range(1000):
    optimizer.zero_grad()
    nn.functional.binary_cross_entropy_with_logits(model(X), Y).backward()
    optimizer.step()
print(((model(X) > 0) == (Y > 0.5)).float().mean().item())
