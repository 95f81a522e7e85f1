"""Watch a training by the Trainer of transformers: a callback of two lines."""

import torch
import transformers

import sawtooth


class Watch(transformers.TrainerCallback):
    def on_train_begin(self, args, state, control, *, model, optimizer, **others):
        self.monitor = sawtooth.Monitor(model, optimizer, data="sums modulo 16")


transformers.set_seed(0)
model = transformers.Qwen3ForCausalLM(  # its queries and keys are normalised
    transformers.Qwen3Config(
        vocab_size=16,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=16,
    )
)
starts, strides = torch.randint(16, (2, 1024, 1), generator=torch.Generator().manual_seed(0))
tokens = (starts + strides * torch.arange(12)) % 16
rows = [{"input_ids": row, "labels": row} for row in tokens]
options = {"report_to": "none", "save_strategy": "no", "use_cpu": True, "weight_decay": 1e-2}
arguments = transformers.TrainingArguments(max_steps=100, optim="sgd", learning_rate=0.5, **options)
watch = Watch()
transformers.Trainer(model, arguments, train_dataset=rows, callbacks=[watch]).train()

laws = sawtooth.check_laws(watch.monitor.dataset())
print(f"{watch.monitor.names} followed, norm law to {float(laws['norm_law_residual'][0]):.1e}")
watch.monitor.save("run.nc")
print(f"report: {sawtooth.report('run.nc')}")
