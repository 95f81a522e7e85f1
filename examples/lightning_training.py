"""Watch a training by Lightning: a callback of two methods."""

import lightning
import torch

import sawtooth


class Watch(lightning.Callback):
    def on_train_start(self, trainer, module):
        self.monitor = sawtooth.Monitor(module.layers, trainer.optimizers[0], data="digits")

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.monitor.step(outputs["loss"] * trainer.accumulate_grad_batches)  # it is a share


class Classifier(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        hidden = [torch.nn.Linear(64, 64, bias=False), torch.nn.BatchNorm1d(64), torch.nn.ReLU()]
        self.layers = torch.nn.Sequential(*hidden, torch.nn.Linear(64, 10))

    def training_step(self, batch):
        return torch.nn.functional.cross_entropy(self.layers(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.5, weight_decay=1e-3)


torch.manual_seed(0)
images = sawtooth.load_images("digits")
inputs = images.normalise(images.train_images).flatten(1)
digits = torch.utils.data.TensorDataset(inputs, images.train_labels)
watch = Watch()
trainer = lightning.Trainer(max_steps=200, accelerator="cpu", logger=False, callbacks=[watch])
trainer.fit(Classifier(), torch.utils.data.DataLoader(digits, batch_size=128, shuffle=True))
laws = sawtooth.check_laws(watch.monitor.dataset())
print(f"{watch.monitor.names} followed, norm law to {float(laws['norm_law_residual'][0]):.1e}")
watch.monitor.save("run.nc")
print(f"report: {sawtooth.report('run.nc')}")
