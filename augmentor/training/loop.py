"""The one training loop. All randomness of a step comes from (seed, step), so a resumed run is the same run."""

from __future__ import annotations

import copy
import logging
import os

import torch
from lightning_fabric import Fabric
from torch import Generator, Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.optim import Adam, Optimizer

from augmentor.model.blocks import Judgement
from augmentor.model.gan import Gan
from augmentor.model.lesions import TrainingLesions
from augmentor.recipe import TrainingSection
from augmentor.training.classic import classic
from augmentor.training.diffaugment import augment
from augmentor.training.distributed import (
    as_of_whole_batch,
    average_gradients,
    require_shareable,
    share,
    start_fabric,
)
from augmentor.training.losses import (
    anchor_penalty,
    class_loss,
    discriminator_loss,
    generator_loss,
    r1_penalty,
)

# Large tensors in huge pages, where Linux has them: with small ones, looking up addresses costs a step on a CPU a tenth
# of its time. Torch reads this at its first large tensor. It holds for the whole process and those that it starts, with
# whatever they do beside training. A process that only expands does not import this module, and its memory varies less.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

# As well for the whole process: Fabric would announce its precision at each start.
logging.getLogger("lightning_fabric").setLevel(logging.WARNING)

_PENALTY_EVERY = 8  # steps; the penalty is scaled up by as much
_EMA_EVERY = 4
_EMA_RAMP = 0.2  # the half-life is at most this share of what has been shown


class Trainer:
    """Networks, the generator's moving average, optimisers; `train_step` moves them on by one batch.

    Of several processes each computes its share of every batch; their networks stay equal.
    """

    def __init__(
        self,
        gan: Gan,
        lesions: TrainingLesions,
        section: TrainingSection,
        fabric: Fabric | None = None,
    ):
        """section: as `resolve` leaves it. Raises UsageError where several processes can't fit this model, and what
        `start_fabric` raises."""
        assert section.batch
        assert section.generator_lr
        assert section.discriminator_lr
        images, labels = lesions.images, lesions.labels
        self.fabric = fabric or start_fabric(section, images.dim() - 2)
        require_shareable(self.fabric, gan.method, section)
        self.batch = section.batch
        self.rows = share(self.fabric, self.batch)  # of every batch, those of this process
        self.method, self.section, self.step = gan.method, section, 0
        self.images, self.labels, self.masks, self.sides_mm = images, labels, gan.masks, lesions.sides_mm
        self.count = torch.bincount(labels)
        members = [(labels == c).nonzero()[:, 0] for c in range(len(self.count))]
        self.members = pad_sequence(members, batch_first=True)  # (classes, most in a class)
        self.ema = copy.deepcopy(gan.generator).requires_grad_(False).eval().to(self.fabric.device)
        self.generator, self.optimizer_g = self.fabric.setup(
            gan.generator, self._adam(gan.generator, section.generator_lr)
        )
        self.discriminator, self.optimizer_d = self.fabric.setup(
            gan.discriminator, self._adam(gan.discriminator, section.discriminator_lr)
        )

    def _adam(self, network: torch.nn.Module, rate: float) -> Adam:
        return Adam(network.parameters(), rate, (self.method.beta1, self.method.beta2), fused=True)

    @property
    def kimg(self) -> float:
        """Thousand real images shown so far."""
        return self.step * self.batch / 1000

    def train_step(self) -> dict[str, Tensor]:
        """One batch for the discriminator and one for the generator; the losses of this process's rows, detached."""
        seed = self.section.seed * 1_000_003 + self.step
        device = self.fabric.device
        # Dropout, where a network has it, knows no generator of its own.
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            return self._train_step(Generator().manual_seed(seed))

    def _train_step(self, randomness: Generator) -> dict[str, Tensor]:
        labels, real, sides_real = self._draw_real(randomness)
        latents = torch.randn(self.batch, self.ema.latent_dim, generator=randomness)
        latents = latents[self.rows].to(self.fabric.device)
        synthetic, start = self._generate(latents, labels)
        sides = self.ema.sides_mm(latents, labels)

        # Discriminator.
        real_seen = self._for_discriminator(real, randomness, synthetic=False)
        synthetic_seen = self._for_discriminator(synthetic.detach(), randomness)
        loss_d = self._discriminator_step(real_seen, synthetic_seen, labels, (sides_real, sides))

        # Generator.
        self.discriminator.requires_grad_(False)
        judged = self._judge(self._for_discriminator(synthetic, randomness), labels, sides)
        loss_g = generator_loss(judged.real)
        anchor = anchor_penalty(synthetic, start) if start is not None else loss_g.new_zeros(())
        self._descend(self.optimizer_g, loss_g + self.method.anchor * anchor + self._class_term(labels, judged))
        self.discriminator.requires_grad_(True)

        self.step += 1
        if self.step % _EMA_EVERY == 0 or not self.method.ema_halflife_kimg:
            self._update_average()
        return {"loss_d": loss_d.detach(), "loss_g": loss_g.detach(), "anchor": anchor.detach()}

    def _discriminator_step(
        self,
        real: Tensor,
        synthetic: Tensor,
        labels: Tensor,
        sides: tuple[Tensor | None, Tensor | None],
    ) -> Tensor:
        """sides: those of the real lesions, and of the synthetic ones."""
        # Real and synthetic lesions in batches of their own: batch norm (dcgan) would tell mixed from pure batches.
        judged_real = self._judge(real, labels, sides[0])
        judged_synthetic = self._judge(synthetic, labels, sides[1])
        loss = discriminator_loss(judged_real.real, judged_synthetic.real)
        total = loss + self._class_term(labels, judged_real, judged_synthetic)
        if self.method.r1_gamma and self.step % _PENALTY_EVERY == 0:
            real = real.detach().requires_grad_()
            penalty = r1_penalty(real, self._judge(real, labels, sides[0]).real)
            total = total + penalty * (self.method.r1_gamma / 2 * _PENALTY_EVERY)
        self._descend(self.optimizer_d, total)
        return loss

    def _generate(self, latents: Tensor, labels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Lesions and their starts, as the bare generator makes them: Fabric's wrapper would round the latents to
        bfloat16, whose 8 bits reach every second training lesion from the 257th of a class on."""
        with self.fabric.autocast():
            return self.generator.module(latents, labels)

    def _judge(self, images: Tensor, labels: Tensor, sides_mm: Tensor | None) -> Judgement:
        """The bare network's judgement: Fabric's wrapper knows `forward` alone, and forbids autograd.grad."""
        with self.fabric.autocast():
            return self.discriminator.judge(images, labels, sides_mm)

    def _class_term(self, labels: Tensor, *judged: Judgement) -> Tensor | float:
        """What the classes that a discriminator named add to a loss; 0 for one that names none."""
        named = [j.classes for j in judged if j.classes is not None]
        return self.method.class_loss * sum(class_loss(classes, labels) for classes in named)

    def _descend(self, optimizer: Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        average_gradients(self.fabric, optimizer)
        optimizer.step()

    def _draw_real(self, randomness: Generator) -> tuple[Tensor, Tensor, Tensor | None]:
        """Labels, images and sides: this process's rows of a batch that is balanced over the classes (or of one class),
        whatever their sizes."""
        classes = len(self.count)
        if self.method.one_class_a_step:
            labels = torch.full((self.batch,), self.step % classes)
        else:
            labels = (torch.arange(self.batch) + self.step * self.batch) % classes
        labels, chosen = labels[self.rows], torch.rand(self.batch, generator=randomness)[self.rows]
        rows = self.members[labels, (chosen * self.count[labels]).long()]
        sides = None if self.sides_mm is None else self.sides_mm[rows].to(self.fabric.device)
        return labels.to(self.fabric.device), self.images[rows].to(self.fabric.device), sides

    def _for_discriminator(self, images: Tensor, randomness: Generator, synthetic: bool = True) -> Tensor:
        """Lesions as the discriminator sees them: both sides augmented alike, or classically the real ones alone."""
        if self.method.augment == "differentiable":
            touched = self.method.augment_share
            return as_of_whole_batch(self.fabric, lambda x: augment(x, touched, randomness, self.masks), images)
        if synthetic:
            return images
        return as_of_whole_batch(self.fabric, lambda whole: classic(whole, randomness), images)

    @torch.no_grad()
    def _update_average(self) -> None:
        """Exponential moving average of the generator's weights, half-life in images shown (Karras et al. 2024)."""
        half_life = min(self.method.ema_halflife_kimg, self.kimg * _EMA_RAMP)
        decay = 0.5 ** (_EMA_EVERY * self.batch / 1000 / half_life) if half_life else 0.0
        source = self.generator.module
        torch._foreach_lerp_(list(self.ema.parameters()), list(source.parameters()), 1 - decay)
        for mean, now in zip(self.ema.buffers(), source.buffers(), strict=True):
            mean.copy_(now)

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, as flat tensors."""
        tensors = {"step": torch.tensor(self.step)}
        networks = {"generator": self.generator.module, "discriminator": self.discriminator.module, "ema": self.ema}
        for name, network in networks.items():
            tensors |= {f"{name}.{k}": v for k, v in network.state_dict().items()}
        for name, optimizer in (("optimizer_g", self.optimizer_g), ("optimizer_d", self.optimizer_d)):
            for number, moments in optimizer.state_dict()["state"].items():
                tensors |= {f"{name}.{number}.{k}": v for k, v in moments.items()}
        return tensors

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        self.step = int(tensors["step"])
        networks = {"generator": self.generator.module, "discriminator": self.discriminator.module, "ema": self.ema}
        for name, network in networks.items():
            network.load_state_dict(_below(tensors, name))
        for name, optimizer in (("optimizer_g", self.optimizer_g), ("optimizer_d", self.optimizer_d)):
            weights = [w for group in optimizer.param_groups for w in group["params"]]
            moments: dict[int, dict[str, Tensor]] = {}
            for key, value in _below(tensors, name).items():
                number, what = key.split(".", 1)
                moments.setdefault(int(number), {})[what] = _laid_out_like(weights[int(number)], value)
            optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})


def _laid_out_like(weight: Tensor, moment: Tensor) -> Tensor:
    """Fused Adam walks weights and moments in memory order: a moment needs its weight's memory layout."""
    return torch.empty_like(weight).copy_(moment) if moment.shape == weight.shape else moment


def _below(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {k.removeprefix(name + "."): v for k, v in tensors.items() if k.startswith(name + ".")}
