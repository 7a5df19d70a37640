"""helpers.loop against `training.fit`, a loop written by hand, and a stop in the middle."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from helpers.loop import train
from helpers.training import evaluate, fit


def examples(n=90, seed=0):
    generator = torch.Generator().manual_seed(seed)
    X = torch.randn(n, 3, 6, 6, generator=generator)
    return X, (X.mean((1, 2, 3)) > 0).long()


def network(seed=1):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))


def sgd(model, lr=0.1):
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)


def orders(seed=3):
    return torch.Generator().manual_seed(seed)


def equal(one, other, tol=0.0):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.allclose(a, b, rtol=0, atol=tol) for a, b in pairs)


def test_without_more_it_is_fit():
    mine, theirs = network(), network()
    both = {"epochs": 2, "batch_size": 20}
    found = train(mine, examples(), examples(30, 7), optimizer=sgd(mine), generator=orders(), **both)
    expected = fit(theirs, examples(), examples(30, 7), optimizer=sgd(theirs), generator=orders(), **both)
    assert found.rows == expected.rows
    assert equal(mine, theirs)


def test_a_schedule_steps_after_each_update_and_augmentation_draws_for_each_batch():
    mine, theirs = network(), network()
    one, two = sgd(mine), sgd(theirs)
    schedule = torch.optim.lr_scheduler.OneCycleLR(one, 0.1, 10, cycle_momentum=False)
    again = torch.optim.lr_scheduler.OneCycleLR(two, 0.1, 10, cycle_momentum=False)

    def jitter(X, generator):
        return X + 0.1 * torch.randn(X.shape, generator=generator)

    X, y = examples()
    history = train(
        mine,
        (X, y),
        None,
        optimizer=one,
        epochs=2,
        batch_size=20,
        generator=orders(),
        schedule=schedule,
        augment=jitter,
    )
    assert list(history.rows[0]) == ["epoch", "train_loss", "train_accuracy"]
    generator = orders()
    for row in history.rows:
        losses = []
        for rows in torch.randperm(90, generator=generator).split(20):
            losses.append(cross_entropy(theirs(jitter(X[rows], generator)), y[rows]))
            two.zero_grad()
            losses[-1].backward()
            two.step()
            again.step()
        sizes = torch.tensor([20.0] * 4 + [10])
        assert row["train_loss"] == pytest.approx((torch.stack(losses).detach() * sizes).sum().item() / 90, rel=1e-5)
    assert equal(mine, theirs, 1e-6)
    assert one.param_groups[0]["lr"] == two.param_groups[0]["lr"] < 1e-2


def test_the_best_weights_are_kept_the_first_of_equals():
    model = network()
    seen = []

    def loss(logits, y):
        if not model.training:
            seen.append({name: value.clone() for name, value in model.state_dict().items()})
        return cross_entropy(logits, y)

    measured = examples(40, 7)[0], torch.randint(2, (40,), generator=orders())  # accuracies go up and down
    options = {"epochs": 8, "batch_size": 15, "generator": orders(), "loss": loss, "keep_best": True}
    history = train(model, examples(30), measured, optimizer=sgd(model, lr=0.5), **options)
    accuracies = history["test_accuracy"]
    best = accuracies.index(max(accuracies))
    assert best < 7, "a case in which a later epoch is worse"
    assert evaluate(model, *measured).accuracy == accuracies[best]
    assert all(torch.equal(model.state_dict()[name], value) for name, value in seen[best].items())


@pytest.mark.parametrize("keep_best", [True, False])
def test_ctrl_c_ends_it_and_keeps_what_was_learnt(keep_best):
    model, updates = network(), []

    def stopping(X, generator):
        updates.append(1)
        if len(updates) == 12:  # in the third of five epochs of five updates
            raise KeyboardInterrupt
        return X

    whole = network()
    both = {"batch_size": 20, "keep_best": keep_best, "channels_last": True}
    with pytest.raises(KeyboardInterrupt):
        train(model, examples(), examples(30, 7), optimizer=sgd(model), epochs=5, augment=stopping,
              generator=orders(), **both)  # fmt: skip
    train(whole, examples(), examples(30, 7), optimizer=sgd(whole), epochs=2, generator=orders(), **both)
    assert model[0].weight.is_contiguous()
    assert equal(model, whole, 1e-6) == keep_best  # else a batch of the third epoch is in it
    assert not equal(model, network(), 1e-3)


def test_channels_last_changes_rounding_alone_and_ends_with_the_training():
    mine, theirs = network(), network()
    both = {"epochs": 1, "batch_size": 30}
    layouts = []
    mine[0].register_forward_hook(lambda module, _, out: layouts.append(out.is_contiguous()))
    train(mine, examples(), None, optimizer=sgd(mine), generator=orders(), channels_last=True, **both)
    train(theirs, examples(), None, optimizer=sgd(theirs), generator=orders(), **both)
    assert equal(mine, theirs, 1e-5)
    assert layouts == [False] * 3
    assert mine[0].weight.is_contiguous()


def test_mixed_precision_trains_in_bfloat16_and_measures_in_float32():
    model, types = network(), []
    model[0].register_forward_hook(lambda module, _, out: types.append((module.training, out.dtype)))
    history = train(
        model,
        examples(),
        examples(30, 7),
        optimizer=sgd(model),
        epochs=4,
        batch_size=30,
        generator=orders(),
        mixed=True,
    )
    assert set(types) == {(True, torch.bfloat16), (False, torch.float32)}
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert history["train_loss"][-1] < history["train_loss"][0]


def test_what_makes_no_sense_is_refused():
    model, (X, y) = network(), examples()
    options = {"optimizer": sgd(model), "epochs": 1, "batch_size": 5, "generator": orders()}
    with pytest.raises(ValueError, match="examples to learn from"):
        train(model, (X[:0], y[:0]), None, **options)
    with pytest.raises(ValueError, match="some to measure"):
        train(model, (X, y), None, keep_best=True, **options)
