"""Watch a plain torch training loop, check the exact laws, and write a report."""

import torch

import sawtooth

torch.manual_seed(0)
images = sawtooth.load_images("digits")
layers = [torch.nn.Linear(64, 64, bias=False), torch.nn.BatchNorm1d(64), torch.nn.ReLU()]
model = torch.nn.Sequential(*layers, torch.nn.Linear(64, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.5, weight_decay=1e-3)
monitor = sawtooth.Monitor(model, optimizer, data="digits")

for _ in range(300):
    batch = torch.randint(len(images.train_labels), (128,))
    inputs = images.normalise(images.train_images[batch]).flatten(1)
    loss = torch.nn.functional.cross_entropy(model(inputs), images.train_labels[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    monitor.step(loss)

laws = sawtooth.check_laws(monitor.dataset())
print(f"{monitor.names} followed, norm law to {float(laws['norm_law_residual'][0]):.1e}")
monitor.save("run.nc")
print(f"report: {sawtooth.report('run.nc')}")
