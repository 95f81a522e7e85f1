"""Watch a training by accelerate: the monitor takes what ``prepare`` returns."""

import accelerate
import torch

import sawtooth

accelerate.utils.set_seed(0)
accelerator = accelerate.Accelerator(gradient_accumulation_steps=2, cpu=True)
images = sawtooth.load_images("digits")
inputs = images.normalise(images.train_images).flatten(1)
digits = torch.utils.data.TensorDataset(inputs, images.train_labels)
layers = [torch.nn.Linear(64, 64, bias=False), torch.nn.BatchNorm1d(64), torch.nn.ReLU()]
model = torch.nn.Sequential(*layers, torch.nn.Linear(64, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.5, weight_decay=1e-3)
loader = torch.utils.data.DataLoader(digits, batch_size=64, shuffle=True)
model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
monitor = sawtooth.Monitor(model, optimizer, data="digits")

for _ in range(20):
    for images_of_batch, labels in loader:
        with accelerator.accumulate(model):
            loss = torch.nn.functional.cross_entropy(model(images_of_batch), labels)
            accelerator.backward(loss)
            optimizer.step()
            monitor.step(loss)
            optimizer.zero_grad()

laws = sawtooth.check_laws(monitor.dataset())
print(f"{monitor.names} followed, norm law to {float(laws['norm_law_residual'][0]):.1e}")
monitor.save("run.nc")
print(f"report: {sawtooth.report('run.nc')}")
