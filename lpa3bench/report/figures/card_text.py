"""An augmenter card as Markdown: what it is for, what was measured and how, and what that does not say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lpa3bench.report.markdown import escape_markdown
from lpa3bench.runtime import licences
from lpa3bench.runtime.counting import counted

Card = Mapping[str, Any]
GROUPS = {
    "preservation": (
        "Is the label preserved?",
        "By the judge, a frozen network of another architecture and seed, trained on images that the "
        "attacked network has not seen.",
    ),
    "attacked": (
        "The networks that views were made against",
        "How good each is, and how far from their images the views against it are: one that tells little "
        "from little is attacked by views that hardly differ from the images.",
    ),
    "margin": (
        "Confidence and margin",
        "The label is the true one, whatever the augmenter was told to keep.",
    ),
    "distance": ("Distance", "Between each view and its image."),
    "affinity": (
        "Affinity and diversity",
        "Of networks trained with and without the augmenter on the same images from the same seed.",
    ),
    "harm": ("Harm", "What training with the augmenter does to classes: one seed, a small budget, no claim."),
    "label": (
        "Condition (a): what is told of the label",
        "The paper's theorem 4.2 asks that a view tell as much of the label as the image does. Bounded from "
        "below by probes, of their own for each target: what they do not find may be there all the same. So "
        "as much as the images tell, found in the views, shows (a), and less does not refute it.",
    ),
    "nuisance": (
        "Condition (b): what is told of the rest",
        "The theorem asks for the least that condition (a) allows. That is measured by proxies: on digits "
        "whose colour, rotation and position were drawn and are known, and by whether an image is recognised "
        "in its view. All are lower bounds: they can refute (b), where much is found that is no label, and "
        "never show it. Less is better only where the label stays.",
    ),
    "cost": ("Cost", ""),
}


def card_markdown(card: Card) -> str:
    """The card, as the text of `CARD.md`."""
    sections = (
        _head(card),
        _use(card),
        _recipe(card),
        _protocol(card),
        _measures(card),
        _classes(card),
        _data(card),
    )
    return "\n\n".join(block for section in sections for block in section) + "\n"


def _head(card: Card) -> Iterator[str]:
    augmenter, protocol = card["augmenter"], card["protocol"]
    yield f"# {escape_markdown(augmenter['name'])} on {escape_markdown(protocol['dataset'])}"
    yield escape_markdown(augmenter["about"])
    yield "![The card's numbers, drawn](card.svg)"
    keys = ("judge_error", "preserved", "true_label", *accuracies(card))
    lines = [_sentence(_get(card, key)) for key in keys]
    yield "\n".join(f"- {line}" for line in lines)


def accuracies(card: Card) -> list[str]:
    """The keys of the accuracies of the networks that views were made against."""
    return [one["key"] for one in card["measures"] if one["group"] == "attacked" and one["unit"] == "share"]


def _get(card: Card, key: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(one for one in card["measures"] if one["key"] == key)
    return found


def _sentence(one: Mapping[str, Any]) -> str:
    title = escape_markdown(one["title"])
    return f"{title}: **{format_card_value(one)}** {format_card_interval(one)}, n = {one['n']}"


def _use(card: Card) -> Iterator[str]:
    yield "## Intended use"
    model = (
        "It calls the network that is trained on its views"
        if card["augmenter"]["needs_model"]
        else "It does not call the network"
    )
    yield (
        f"Making training views of images in slot `{escape_markdown(card['augmenter']['slot'])}`. {model}. "
        "The numbers below hold for this data set, these parameters and networks of this size; whether its "
        "views keep the label elsewhere has to be measured there, by the command that made this card. It "
        "says nothing of robustness, fairness or safety."
    )


def _recipe(card: Card) -> Iterator[str]:
    augmenter = card["augmenter"]
    yield "## Parameters"
    rows = [(f"`{_code(name)}`", f"`{_code(text)}`") for name, text in augmenter["parameters"].items()]
    yield _table(("parameter", "value"), rows) if rows else "None."
    yield (
        f"From {escape_markdown(augmenter['distribution'])}. Recipe `{augmenter['recipe_sha256']}` "
        f"(parameters and source), source `{augmenter['source_sha256']}`; "
        f"BatchNorm {escape_markdown(augmenter['bn_domain'])}."
    )
    if augmenter["describes_itself"]:
        yield "```\n" + augmenter["describes_itself"].replace("```", "'''") + "\n```"


def _protocol(card: Card) -> Iterator[str]:
    protocol = card["protocol"]
    yield "## How it was measured"
    yield (
        f"Views of {protocol['images']} held-out images, one of each, were made against a frozen "
        f"{escape_markdown(protocol['attacked'])} in eval mode, trained on {protocol['attacked_images']} "
        f"images (run `{_code(protocol['attacked_run'])}`). Below {100 * protocol['floor']:g} % of held-out "
        "images right neither it nor the judge would do. Where the augmenter has a BatchNorm of its own "
        "and that network was trained without one, a copy of the main one stands in for it. The judge is "
        f"{escape_markdown(protocol['judge'])} with seed {protocol['judge_seed']}, trained on "
        f"{protocol['judge_images']} images, {escape_markdown(protocol['judge_trained_on'])}, with clean "
        f"labels. Training: {escape_markdown(protocol['task'])}, {counted(protocol['epochs'], 'epoch')}; "
        f"on coloured digits {protocol['nuisance_epochs']}. Seed {protocol['seed']}, "
        f"{escape_markdown(protocol['device'])} ({escape_markdown(protocol['hardware'])}), "
        f"{counted(protocol['threads'], 'thread')}."
    )
    yield (
        "Intervals: Wilson's for shares, percentile bootstrap over images for means and ratios, both at 95 % "
        "and for these networks; or the range over the probes' seeds. None tells what others would say."
    )


def _measures(card: Card) -> Iterator[str]:
    for group, (title, text) in GROUPS.items():
        rows = [
            (
                escape_markdown(one["title"]),
                format_card_value(one),
                format_card_interval(one),
                str(one["n"]),
                escape_markdown(one["definition"]),
            )
            for one in card["measures"]
            if one["group"] == group
        ]
        if not rows:
            continue
        yield f"## {title}"
        if text:
            yield text
        yield _table(("measure", "value", "interval", "n", "definition"), rows)
        if group == "nuisance" and card["not_measured"]:
            yield f"Known nuisances were not measured: {escape_markdown(card['not_measured'])}."


def _classes(card: Card) -> Iterator[str]:
    yield "## Class by class"
    rows = [
        (
            escape_markdown(row["name"]),
            str(row["n"]),
            _share(row["preserved"]),
            "–" if row["low"] is None else f"{_share(row['low'])} … {_share(row['high'])}",
            "–" if row["accuracy_change"] is None else f"{100 * row['accuracy_change']:+.1f}",
        )
        for row in card["classes"]
    ]
    yield _table(("class", "n", "label preserved, %", "95 %", "accuracy gained, points"), rows)


def _data(card: Card) -> Iterator[str]:
    protocol = card["protocol"]
    yield "## Data and licences"
    name = protocol["dataset"]
    rows = [
        (
            escape_markdown(name),
            escape_markdown(protocol["dataset_about"]),
            escape_markdown(licences.of(name)),
        ),
        (
            "NuisanceDigits",
            "The same digits of scikit-learn, coloured, turned and moved.",
            escape_markdown(licences.of("Digits")),
        ),
    ]
    yield _table(("data set", "what it is", "licence"), rows)
    yield (
        f"SHA-256 of the data that was trained and measured on: `{protocol['dataset_sha256']}`. Pictures on "
        "this card are from it."
    )


def format_card_value(one: Mapping[str, Any]) -> str:
    """A number with its unit: shares in per cent."""
    if one["value"] is None:
        return "undefined"
    if one["unit"] == "share":
        return f"{_share(one['value'])} %"
    return f"{one['value']:.3g}" + ("" if one["unit"] in ("ratio",) else f" {escape_markdown(one['unit'])}")


def format_card_interval(one: Mapping[str, Any]) -> str:
    """Its interval, with what kind it is."""
    if one["low"] is None:
        return "–"
    shown = (_share(one[key]) if one["unit"] == "share" else f"{one[key]:.3g}" for key in ("low", "high"))
    return f"[{', '.join(shown)}] ({escape_markdown(one['interval'])})"


def _share(number: float | None) -> str:
    return "–" if number is None else f"{100 * number:.1f}"


def _code(text: str) -> str:
    """Text that stands between single back-quotes in a table."""
    return " ".join(text.split()).replace("`", "'").replace("|", "\\|")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
