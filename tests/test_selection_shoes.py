"""Page 07's code that splits, trains, chooses and scores, against brute force on cases that can be counted by hand."""

import numpy as np
import pytest
import torch
from test_selection import here, recorder  # noqa: F401
from torch import nn
from torch.nn import functional

from benchmarks.definitions import definitions


@pytest.fixture(scope="module")
def page():
    return definitions("07", seed=0)


def people(n, side=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, 3, 2, side, side, 3, generator=generator) - 0.5


def test_pictures_become_means_of_squares_between_minus_and_plus_a_half(page):
    raw = torch.randint(0, 256, (2, 3, 2, 3, 8, 8), dtype=torch.uint8)
    found = page.triplets(raw, 4)
    assert found.shape == (2, 3, 2, 4, 4, 3)
    square = raw[1, 2, 1, 0, 2:4, 6:8].double().mean().item()
    assert found[1, 2, 1, 1, 3, 0].item() == pytest.approx(square / 255 - 0.5, abs=1e-6)
    assert page.triplets(torch.full_like(raw, 255), 4).unique().tolist() == [0.5]


def test_layouts_hold_the_same_pixels_at_the_places_that_they_name(page):
    x = torch.arange(2 * 3 * 8 * 4.0).view(2, 3, 8, 4)
    top, bottom = x[:, :, :4], x[:, :, 4:]
    assert torch.equal(page.laid_out(x, "below"), x)
    rows = page.laid_out(x, "rows")
    assert torch.equal(rows[:, :, 0::2], top)
    assert torch.equal(rows[:, :, 1::2], bottom)
    stacked = page.laid_out(x, "stacked")
    assert torch.equal(stacked, torch.cat([top, bottom], 1))
    half, both = page.laid_out(x, "stacked, shifted"), page.laid_out(x, "stacked, both shifted")
    assert torch.equal(half[:, :3], top)
    assert torch.equal(half[:, 3:, 1], bottom[:, :, 3])
    assert torch.equal(both, stacked.roll(2, dims=2))


def test_people_to_validate_on_are_others(page):
    train, held = page.split_people(23, 0.2, 5)
    assert sorted([*train.tolist(), *held.tolist()]) == [*range(23)]
    assert len(held) == 5
    assert len(page.split_people(4, 0.1, 0)[1]) == 2
    assert held.tolist() != page.split_people(23, 0.2, 6)[1].tolist()


def test_nine_scores_are_of_left_rows_and_right_columns(page):
    class Marks(nn.Module):
        def forward(self, x):
            left, right = x[:, 0, 0, 0], x[:, 0, -1, 0]
            return torch.stack([left, 11 * left + right], 1)

    T = torch.zeros(2, 3, 2, 4, 4, 3)
    T[:, :, 0] = torch.tensor([[1.0, 2, 3], [4, 5, 6]]).view(2, 3, 1, 1, 1)
    T[:, :, 1] = torch.tensor([[1.0, 2, 3], [7, 8, 9]]).view(2, 3, 1, 1, 1)
    wanted = [[[11, 12, 13], [21, 22, 23], [31, 32, 33]], [[47, 48, 49], [57, 58, 59], [67, 68, 69]]]
    assert page.score_nine(Marks(), T).tolist() == wanted


def test_right_answers_are_counted_by_kind_and_person(page):
    S = torch.full((2, 2, 3, 3), -1.0)  # seeds, people
    S[0, 0] = torch.tensor([[1.0, 1, -1], [-1, 0, -1], [-1, -1, 1]])  # 2 of 3 matches found, 5 of 6 others right
    S[1, 0] = torch.tensor([[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1]])  # all right
    S[:, 1] = 2.0  # everything a match
    same, different = page.split_scores(torch.arange(9.0).view(1, 3, 3))
    assert same.tolist() == [[0, 4, 8]]
    assert different.tolist() == [[1, 2, 3, 5, 6, 7]]
    assert page.by_person(S) == pytest.approx([((2 / 3 + 5 / 6) / 2 + 1) / 2, 0.5])
    assert page.as_homework(S[0]) == (2 + 3, 2 + 0, 12)  # (1, 2) of the first is wrong, (2, 3) and (3, 1) are right
    assert page.as_homework(torch.tensor([[[-1.0, 1, -1], [-1, -1, 1], [1, -1, -1]]])) == (0, 0, 6)
    assert page.as_homework(torch.tensor([[[-1.0, -1, 1], [1, -1, -1], [-1, 1, -1]]])) == (0, 3, 6)


@pytest.mark.parametrize("way", ["cross_validated", "twins_left_out"])
def test_nobody_is_judged_by_a_network_that_saw_him(page, monkeypatch, way):
    T = torch.arange(7.0).view(7, 1, 1, 1, 1, 1).expand(7, 3, 2, 16, 16, 3).contiguous()
    P, folds = T.movedim(-1, 3), [torch.tensor([5, 0]), torch.tensor([2, 1, 6]), torch.tensor([3, 4])]
    seen, judged, seeds = [], [], []

    def train(net, same, different, validation, iterations, lr, batch_size, seed):
        assert validation is None
        seen.append((id(net), set(same.flatten(1)[:, 0].tolist()) | set(different.flatten(1)[:, 0].tolist())))
        seeds.append(seed)

    def fit(rest, steps, seed, **settings):
        net = nn.Linear(1, 1)
        seen.append((id(net), set(rest.flatten(1)[:, 0].tolist())))
        seeds.append(seed)
        kept.append(net)
        return net

    def score(net, held):
        who = held.flatten(1)[:, 0]
        judged.append((id(net), set(who.tolist())))
        kept.append(net)
        return who[:, None, None].expand(-1, 3, 3)

    kept = []
    for name, stand_in in (("train", train), ("score_nine", score), ("fit_twin", fit), ("twin_scores", score)):
        monkeypatch.setattr(page, name, stand_in)
    if way == "cross_validated":
        S = page.cross_validated(T, folds, "stacked", [4, 9], 3, 1e-3, 8)
    else:
        S = page.twins_left_out(P, folds, [4, 9], 3)
    assert torch.equal(S[..., 0, 0], torch.arange(7.0).expand(2, 7))
    assert [net for net, _ in seen] == [net for net, _ in judged]
    assert len(seen) == len({net for net, _ in seen}) == 6, "every fold has a network of its own"
    assert len(set(seeds)) == 6
    for (_, fitted), (_, others) in zip(seen, judged, strict=True):
        assert not fitted & others
        assert fitted | others == set(range(7))


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.line = nn.Linear(3 * 8 * 4, 2)

    def forward(self, x):
        return self.line(x.flatten(1))


def test_training_is_adam_on_balanced_batches_and_keeps_the_best_on_what_is_passed(page):
    same, different = page.generate_same_pair(people(4)), page.generate_different_pair(people(4))
    validation = page.generate_same_pair(people(3, seed=1)), page.generate_different_pair(people(2, seed=1))
    torch.manual_seed(3)
    net, twin = Small(), Small()
    twin.load_state_dict(net.state_dict())
    rows = page.train(net, same, different, validation, 12, 0.1, 8, 5)
    generator, optimizer = torch.Generator().manual_seed(5), torch.optim.Adam(twin.parameters(), lr=0.1)
    best, wanted = -1.0, None
    for step in range(12):
        X = torch.cat([p[torch.randperm(12, generator=generator)[:4]] for p in (same, different)]).permute(0, 3, 1, 2)
        loss = functional.cross_entropy(twin(X), torch.tensor([1] * 4 + [0] * 4))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            right = [
                (twin(v.permute(0, 3, 1, 2)).argmax(1) == k).float().mean().item()
                for v, k in zip(validation, (1, 0), strict=True)
            ]
        assert rows[step].tolist() == pytest.approx([step + 1, loss.item(), *right], abs=1e-5)
        if sum(right) > best:
            best, wanted = sum(right), {k: v.clone() for k, v in twin.state_dict().items()}
    assert all(torch.allclose(net.state_dict()[k], v, atol=1e-6) for k, v in wanted.items())
    assert not torch.allclose(net.line.weight, twin.line.weight), "the last is not the best here"


def test_training_stops_once_both_kinds_are_right(page):
    same, different = torch.ones(6, 8, 4, 3), -torch.ones(6, 8, 4, 3)
    rows = page.train(Small(), same, different, (same, different), 50, 0.05, 12, 0, enough=0.9)
    assert len(rows) < 50
    assert rows[-1, 2:].min() >= 0.9
    assert (rows[:-1, 2:].min(1).values < 0.9).all()


@pytest.fixture
def double():
    """Adam divides by the size of a gradient: where that is 0 but for rounding, float32 walks at random."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("wrong", [6, 3])
def test_the_shared_trunk_is_trained_with_both_kinds_weighing_alike(page, double, wrong):
    P = people(5, 8).movedim(-1, 3)
    torch.manual_seed(2)
    net, generator = page.Twin(), torch.Generator().manual_seed(2)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01, weight_decay=0.05)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=6)
    for _ in range(6):
        losses = []
        for person in net(P[torch.randperm(5, generator=generator)[:4]]):
            matching = [functional.softplus(-person[i, i]) for i in range(3)]
            pairs = [(i, j) for i in range(3) for j in range(3) if i != j and (wrong == 6 or j == (i + 1) % 3)]
            others = [functional.softplus(person[i, j]) for i, j in pairs]
            losses.append((sum(matching) / len(matching) + sum(others) / len(others)) / 2)
        optimizer.zero_grad()
        (sum(losses) / 4).backward()
        optimizer.step()
        plan.step()
    found = page.fit_twin(P, 6, 2, lr=0.01, change=False, wrong=wrong, per_batch=4)
    assert not found.training
    with torch.inference_mode():
        assert torch.allclose(found(P), net.eval()(P), atol=1e-6)


def test_changed_people_keep_which_shoes_match(page):
    """Six flat pictures of a person: what was equal stays equal, what differed stays apart, in every pair."""
    P = torch.tensor([-0.4, 0.0, 0.4]).view(1, 3, 1, 1, 1, 1).expand(30, 3, 2, 3, 12, 12).contiguous()
    found = page.changed(P, torch.Generator().manual_seed(0))
    middle = found[..., 4:8, 4:8].mean((-1, -2))  # what is moved in at the border is 0
    assert torch.allclose(middle[:, :, 0], middle[:, :, 1], atol=1e-6)
    assert (middle[:, 0] - middle[:, 1]).abs().min() > 0.2
    assert middle[:, 0].std() > 0.02, "and people differ"
    colours = torch.tensor([0.1, 0.2, 0.4]).view(1, 1, 1, 3, 1, 1).expand(30, 3, 2, 3, 12, 12)
    order = page.changed(colours.contiguous(), torch.Generator().manual_seed(1))[:, :, :, :, 5, 5].argsort(-1)
    assert (order == order[:, :1, :1]).all()
    assert len({tuple(row) for row in order[:, 0, 0].tolist()}) > 3


def test_a_shared_trunk_scores_left_rows_and_right_columns_and_both_sides_alike(page):
    torch.manual_seed(0)
    net, P = page.Twin().eval(), people(3, 16).movedim(-1, 3)
    with torch.inference_mode():
        S = net(P)
        alone = net(P[1:2])
        mixed = P[1:2].clone()
        mixed[0, 0, 1] = P[1, 2, 1]  # the right shoe of pair 1 is that of pair 3
        assert torch.allclose(S[1:2], alone, atol=1e-5)
        assert torch.allclose(net(mixed)[0, :, 0], S[1, :, 2], atol=1e-5)
        assert torch.allclose(net(P.flip(2)), S.mT, atol=1e-5)
        assert torch.allclose(page.twin_scores(net, P), page.twin_scores(net, P.flip(-1)), atol=1e-5)


def test_both_ways_of_an_iteration_say_the_same(page):
    found = page.timed(people(4, 16), 2, 0)
    assert np.allclose(found["said"]["homework"], found["said"]["book"])
    assert found["seconds"].keys() == {"homework", "book"}


def test_the_middle_of_a_sample_of_people_is_wider_than_that_of_pairs(page):
    """A person is all right or all wrong: nine answers are one."""
    right = torch.eye(3) * 2 - 1
    S = torch.stack([right] * 10 + [-right] * 10)[None]
    from helpers import intervals

    low, high = intervals.bootstrap(page.by_person(S))
    inner = page.over_pairs(S)
    assert high - low > 1.5 * (inner[1] - inner[0])
