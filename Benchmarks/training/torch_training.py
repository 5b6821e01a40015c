"""The step and the validation that peers in PyTorch have in common."""
import common
import torch


def train(o, p, loss, **options):
    """Trains parameters by name with AdamW as recc does; loss(tokens, targets) takes tensors [batch, window]."""
    optimizer = torch.optim.AdamW(p.values(), lr=o.lr, weight_decay=0.01, **options)

    def step(tokens, targets, rate):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        value = loss(torch.from_numpy(tokens), torch.from_numpy(targets))
        value.backward()
        torch.nn.utils.clip_grad_norm_(p.values(), 1.0)
        optimizer.step()
        return value.detach()

    def validate(tokens, targets):
        with torch.no_grad():
            return loss(torch.from_numpy(tokens), torch.from_numpy(targets))

    common.train(o, step, validate)
