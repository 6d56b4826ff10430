"""How many multiply-adds a traced product takes: matrices, sums by letters, attention, convolutions kept to size.

A handler gets the traced operator's inputs and outputs (values of torch's graph, all with known shapes) and returns how
much work it is, under the name of the kind of work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain
from math import prod
from typing import Any

Handler = Callable[[Sequence[Any], Sequence[Any]], Counter[str]]


def shape(value: Any) -> list[int]:
    """The shape of a traced tensor; none for numbers."""
    return list(value.type().sizes() or ()) if value.isCompleteTensor() else []


def numbers(value: Any) -> list[int | None]:
    """A traced list of numbers, such as a kernel's size; None for one that the network computes."""
    constant = value.toIValue()
    return list(constant) if constant is not None else [item.toIValue() for item in value.node().inputs()]


def attention(inputs: Sequence[Any], outputs: Sequence[Any]) -> Counter[str]:
    """softmax(Q Kᵀ) V for Q (…, L, E), K (…, S, E), V (…, S, Ev): L·S·(E + Ev) each; a mask spares nothing."""
    query, key, value = (shape(tensor) for tensor in inputs[:3])
    return Counter({"attention": prod(query[:-1]) * key[-2] * (query[-1] + value[-1])})


def product(kind: str, first: int = 0) -> Handler:
    """A B for A (…, E), which is input number `first`: E for each element of what comes out, whatever is broadcast.

    Of what is added to it (addmm, baddbmm, addmv) no multiply-adds are counted; it has the output's size or less.
    """

    def handler(inputs: Sequence[Any], outputs: Sequence[Any]) -> Counter[str]:
        return Counter({kind: prod(shape(outputs[0])) * shape(inputs[first])[-1]})

    return handler


def summed_product(inputs: Sequence[Any], outputs: Sequence[Any]) -> Counter[str]:
    """addbmm: C + sum of A[n] B[n] for A (N, L, E), B (N, E, S): N·L·E·S."""
    return Counter({"bmm": prod(shape(inputs[1])) * shape(inputs[2])[-1]})


def tensordot(inputs: Sequence[Any], outputs: Sequence[Any]) -> Counter[str]:
    """Sums over the named axes of the first tensor: their length for each element of what comes out."""
    sides = shape(inputs[0])
    return Counter({"matmul": prod(shape(outputs[0])) * prod(sides[axis or 0] for axis in numbers(inputs[2]))})


def same_convolution(inputs: Sequence[Any], outputs: Sequence[Any]) -> Counter[str]:
    """padding="same" or "valid": a weight (C', C/groups, *kernel) for each place of what comes out (N, C', *sides)."""
    made = shape(outputs[0])
    return Counter({"conv": made[0] * prod(shape(inputs[1])) * prod(made[2:])})


def einsum(inputs: Sequence[Any], outputs: Sequence[Any]) -> Counter[str]:
    """Products two at a time, in the order that torch takes: each as long as all of its letters together."""
    equation = inputs[0].toIValue().replace(" ", "")
    path = inputs[2].toIValue() if len(inputs) > 2 else None
    return Counter({"einsum": einsum_macs(equation, [shape(value) for value in inputs[1].node().inputs()], path)})


def einsum_macs(equation: str, shapes: Sequence[Sequence[int]], path: Sequence[int] | None = None) -> int:
    """Multiply-adds of `torch.einsum(equation, …)` on tensors of these shapes.

    path: pairs of operands to multiply, one after the other in one list, each product going to the end; by default from
    left to right. A letter that one operand alone has is summed before anything is multiplied. One operand takes none.
    """
    left, arrow, result = equation.partition("->")
    terms = [_letters(term, len(sides)) for term, sides in zip(left.split(","), shapes, strict=True)]
    length: dict[str, int] = {}
    for term, sides in zip(terms, shapes, strict=True):
        for letter, side in zip(term, sides, strict=True):
            length[letter] = max(side, length.get(letter, 1))  # 1 is broadcast
    if arrow:
        rank = max(len([letter for letter in term if letter.isdigit()]) for term in terms)
        kept = set(_letters(result, rank + len(result.replace("...", ""))))
    else:
        every = list(chain.from_iterable(terms))
        kept = {letter for letter in every if letter.isdigit() or every.count(letter) == 1}
    pairs = [(path[at], path[at + 1]) for at in range(0, len(path), 2)] if path else None
    total = 0
    for step in range(len(terms) - 1):
        one, other = pairs[step] if pairs else (0, 1)
        rest = [term for number, term in enumerate(terms) if number not in (one, other)]
        needed = kept.union(*rest)
        made = sorted((set(terms[one]) | set(terms[other])) & needed)
        total += prod(length[letter] for letter in {*made, *(set(terms[one]) & set(terms[other]))})
        terms = [*rest, made] if pairs else [made, *rest]
    return total


def _letters(term: str, sides: int) -> list[str]:
    """`...ij` of a tensor of so many sides: its letters, those of the dots numbered from the right."""
    before, dots, after = term.partition("...")
    hidden = sides - len(before) - len(after) if dots else 0
    return [*before, *map(str, reversed(range(hidden))), *after]
