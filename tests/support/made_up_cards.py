"""A card without a measurement behind it, for what is made of cards."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image

SHARES = (
    "judge_error", "preserved", "preserved_known", "true_label", "accuracy_images", "accuracy_views",
    "recognised",
)  # fmt: skip
MEANS = (
    "perceptual_judge", "perceptual_attacked", "pixel_l2", "pixel_linf", "confidence_drop_attacked",
    "confidence_drop_judge", "accuracy_change", "affinity", "diversity",
)  # fmt: skip
NASTY = "a|b <script>alert(1)</script> *bold* [x](y) `c`"


def measure(key: str, group: str, unit: str, **more: Any) -> dict[str, Any]:
    return {
        "key": key,
        "group": group,
        "title": key.replace("_", " "),
        "value": 0.9,
        "low": 0.8,
        "high": 0.95,
        "interval": "Wilson",
        "n": 20,
        "unit": unit,
        "definition": f"what {key} means",
        "quantiles": None,
    } | more


def card(**augmenter: Any) -> dict[str, Any]:
    """Every key that is drawn."""
    file = io.BytesIO()
    Image.new("L", (8, 8), 128).save(file, "PNG")
    picture = base64.b64encode(file.getvalue()).decode()
    none: dict[str, Any] = {"low": None, "high": None, "interval": None}
    quantiles = {"0": -0.5, "0.5": 0.01, "0.99": 2.0, "1": 4.0}
    return {
        "version": 1,
        "augmenter": {
            "name": "Mine",
            "distribution": "mine 1.0",
            "about": "Does something.",
            "parameters": {"Mine.p": "0.5"},
            "describes_itself": "",
            "source_sha256": "0" * 16,
            "recipe_sha256": "1" * 16,
            "slot": "view",
            "bn_domain": "main",
            "needs_model": False,
        }
        | augmenter,
        "protocol": {
            "dataset": "Digits",
            "dataset_about": "Digits.",
            "dataset_sha256": "2" * 64,
            "classes": 2,
            "images": 20,
            "judge": "JudgeNet",
            "judge_seed": 1,
            "judge_images": 30,
            "judge_trained_on": "the other half",
            "attacked": "SmallNet",
            "attacked_images": 30,
            "attacked_run": "a-run-s0",
            "task": "Supervised",
            "epochs": 4,
            "nuisance_epochs": 2,
            "floor": 0.7,
            "margin": 0.25,
            "runs": {},
            "seed": 0,
            "device": "cpu",
            "hardware": "a processor",
            "threads": 1,
            "versions": {},
        },
        "measures": [
            *(measure(key, "preservation", "share") for key in SHARES),
            measure("attacked_accuracy", "attacked", "share", title="accuracy, the attacked network"),
            measure("attacked_l2", "attacked", "image units"),
            measure("margin_violations", "margin", "share", title="beliefs that fell"),
            measure("logp_drop", "margin", "nats", quantiles=quantiles),
            *(measure(key, "distance", "φ") for key in MEANS),
            *(
                measure(f"{data}_{name}_{which}_bits", "nuisance", "bits")
                for data, name in (("data", "label"), ("known", "label"), ("known", "colour"))
                for which in ("x", "view")
            ),
            *(measure(key, "cost", "passes", **none) for key in ("forward", "backward", "training_cost")),
        ],
        "not_measured": None,
        "classes": [
            {
                "class": 0,
                "name": "cat",
                "n": 20,
                "preserved": 0.9,
                "low": 0.7,
                "high": 0.97,
                "accuracy_change": -0.05,
            },
            {
                "class": 1,
                "name": "dog",
                "n": 0,
                "preserved": None,
                "low": None,
                "high": None,
                "accuracy_change": None,
            },
        ],
        "examples": [{"label": 0, "image": picture, "view": picture, "judge_image": 0, "judge_view": 1}],
    }
