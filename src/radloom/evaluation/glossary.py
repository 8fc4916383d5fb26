"""What each score means, in plain words: the README beside the scores."""

from __future__ import annotations

from radloom.evaluation.table import (
    CONSTANT,
    CONSTANT_LABELS,
    GAIN,
    GAP,
    LESS_REAL,
    NEIGHBOUR,
    RANDOM,
    REAL,
    SHUFFLED,
    Board,
)

MEASURES: dict[str, str] = {
    "accuracy": "Share of cases that are right. For closed questions: the answer equals the reference, without "
    "capitals and full stop. For `normal or not`: report and truth agree on whether any disease is stated. Higher is "
    "better.",
    "auroc": "The chance that an image that has the observation gets a higher probability than one that has not. 0.5 "
    "is guessing, 1 perfect. For drawings (`prompted`): the classifier looks at the drawing, the truth is what its "
    "report asked for.",
    "auroc_macro": "Mean of AUROC over the observations that have both kinds of case.",
    "auroc_micro": "AUROC over all pairs of an image and an observation at once; frequent observations weigh more, and "
    "knowing which observations are frequent already gives far more than 0.5.",
    "bleu1": "BLEU-1: share of words that the truth has too, with a penalty for short texts (Papineni et al. 2002).",
    "bleu2": "BLEU-2: the same with pairs of words.",
    "bleu3": "BLEU-3: the same with runs of up to three words.",
    "bleu4": "BLEU-4: the same with runs of up to four words. Over the whole corpus, from 0 to 1; higher is better. "
    "Says how alike the wording is, hardly whether it is true.",
    "bertscore_f1": "Likeness of the words' embeddings (BERTScore; Zhang et al. 2020), by the model in the brackets.",
    "calibration_error": "How far predicted probabilities lie from observed shares, on average (expected calibration "
    "error, ten steps). Lower is better.",
    "changed": "Share of questions whose answer differs when another study's image is shown. 0 means that the image "
    "plays no part.",
    "cider": "CIDEr-D: agreement in runs of words that are rare in the corpus (Vedantam et al. 2015). From 0 to 10.",
    "codebook_usage": "Share of the codec's codes that occur in these images.",
    "coverage": "Share of real images with a drawing nearby (Naeem et al. 2020). Higher is better.",
    "disagreement": "Of parts of a study that were made: mean difference of the chances of the 14 observations, as the "
    "classifier sees them in drawings and the labeller reads them in reports. Lower is better.",
    "disagreement_gain": "Disagreement of parts made in turn, or together, less that of the same parts made apart from "
    "the same noise. Below 0: they agree better.",
    "density": "How many real neighbourhoods a drawing lies in, over k; may exceed 1 (Naeem et al. 2020).",
    "distance": "Distance of an image to the nearest training image, on average: 1 - cosine of the classifier's "
    "features, or 1 - normalised cross-correlation of the pixels. Compare with the column `real`, the held-out images.",
    "different_answers": "How many different answers were given. A count.",
    "different_texts": "How many different texts were written. A count; 1 means the same for every patient.",
    "exact_match": "Share of open questions answered in the reference's very words.",
    "f1": "Harmonic mean of precision and recall of an observation, or of a sign: one of 9 things that reports often "
    "say beside the 14 observations, such as hyperinflation.",
    "f1_macro": "Plain mean of F1 over the observations: rare ones count as much as frequent ones, and one that never "
    "occurs counts as 0, so that even the truth may stay below 1.",
    "f1_micro": "F1 over all observations, or all signs, together: frequent ones, `No Finding` above all, weigh most.",
    "green": "GREEN: a language model counts matched findings and errors (Ostmeier et al. 2024). 1 is best.",
    "frechet": "Frechet distance between the features of drawn and real images (FID with the network named in the "
    "brackets). Lower is better; compare with the column `real`, never with another network or number of images.",
    "kernel": "Squared kernel distance (KID) between the same features, from all pairs; may be slightly below 0.",
    "made_up": "Findings that a report states and the truth does not, on average a report. Lower is better.",
    "meteor": "METEOR 1.5: agreement in words, stems, synonyms and paraphrases, with a penalty for scattered order "
    "(Denkowski and Lavie 2014).",
    "missed": "Findings that the truth states and the report does not, on average a report. Lower is better.",
    "ms_ssim": "Likeness of several drawings of one report (multi-scale SSIM). Lower is more varied; real images of "
    "different patients stand beside.",
    "near_copies": "Share of synthetic images whose nearest training image is at most as far as it is for the nearest "
    "1 or 5 % of held-out real images. Where nothing is copied it is about 0.01 or 0.05.",
    "nearer": "The chance that a synthetic image lies nearer to its nearest training image than a held-out real image "
    "to its own. 0.5: as near as images of other patients; towards 1: synthetic images are copies.",
    "own_nearest": "Share of synthetic images whose nearest training image is of the very patient whose report they "
    "were drawn from. By chance it is about 1 in as many patients as train has.",
    "precision": "Of text: share of stated observations that are true. Of images: share of drawings that lie among the "
    "real ones (Kynkaanniemi et al. 2019).",
    "precision_macro": "Plain mean of precision over the observations.",
    "precision_micro": "Precision over all observations together.",
    "psnr": "Peak signal-to-noise ratio of the reconstruction, in dB. Higher is better.",
    "radgraph_e": "RadGraph F1 of the entities that both reports name (Jain et al. 2021).",
    "radgraph_er": "RadGraph F1 of entities, those with relations set apart from those without.",
    "radgraph_er_bar": "RadGraph F1 of entities together with all their relations; the strictest.",
    "ratescore": "RaTEScore: likeness of the medical entities (Zhao et al. 2024). A report without any gets 0.5.",
    "recall": "Of text: share of true observations that are stated. Of images: share of real images that lie among the "
    "drawings.",
    "recall_macro": "Plain mean of recall over the observations.",
    "recall_micro": "Recall over all observations together.",
    "retrieval_at_1": "Share of drawings whose own report fits them best of all, by the classifier's probabilities.",
    "retrieval_at_10": "Share of drawings whose own report is among the ten that fit best.",
    "rouge_l": "ROUGE-L: longest common run of words, gaps allowed (Lin 2004).",
    "sacrebleu": "BLEU-4 of the texts as they are, cased and with punctuation, by sacreBLEU (Post 2018); in [0, 1].",
    "similarity": "Of parts of a study that were made: cosine of their vectors in the aligned space. Higher is better.",
    "similarity_gain": "Similarity of parts made in turn, or together, less that of the same parts made apart from the "
    "same noise. Above 0: they agree better.",
    "ssim": "Structural similarity of original and reconstruction (Wang et al. 2004). 1 is equal.",
    "token_f1": "Overlap of the words of answer and truth in open questions; of a report's tokens with those of the "
    "report written again from its latent.",
    "verdict_agreement": "Share of verdicts that survive reconstruction. Of images: the classifier's, on the same side "
    "of 0.5. Of reports: the labeller's (positive, negative, uncertain, not mentioned), most of them `not mentioned`.",
    "words": "Words a text, on average.",
}

LOWER_IS_BETTER = frozenset(
    {
        *("calibration_error", "disagreement", "disagreement_gain", "frechet", "kernel", "made_up", "missed"),
        *("near_copies", "nearer", "own_nearest"),
    }
)
NEITHER = frozenset(
    {"changed", "codebook_usage", "different_answers", "different_texts", "distance", "ms_ssim", "words"}
)
"""Measures that are read beside others and are not good or bad by themselves."""

SYSTEMS: dict[str, str] = {
    SHUFFLED: "The model's output for another study's image (for drawings: another study's report), scored against "
    "this one; written reports against ten others in turn, but, like drawings and answers, against one other in "
    "METEOR, CIDEr and learned measures. Of agreement: one made part beside the other part made of another study.",
    GAP: "The model's score less the shuffled one, study by study. Where its interval reaches 0 nothing shows "
    "that the model looks; over few studies nothing could.",
    CONSTANT: "The same for every study: the most typical training report, the commonest training answer to that "
    "question, one training image in place of a drawing, the mean training image in place of a reconstruction, or the "
    "share of each observation in train as its probability.",
    CONSTANT_LABELS: "The observations that, stated for everybody, have the highest F1 (micro) in train: mostly `No "
    "Finding` alone.",
    RANDOM: "A training report, answer, label or image drawn at random.",
    NEIGHBOUR: "What belongs to the training study most like this one: by the classifier's features of the image, or, "
    "for drawings, by the words of the report. Where train is very large, of a part of it; a warning says so.",
    REAL: "Real images in place of the model's. For distances: the real images of the split against as many real "
    "training images, two samples of the same kind, which is the least distance to hope for; elsewhere: the real "
    "images of the same studies, and of agreement their real reports. That is no upper limit: training images may look "
    "better to a classifier that learned from them.",
    LESS_REAL: "Trained on these images less trained on all real ones, patient by patient of the held-out ones.",
    GAIN: "Trained with synthetic images less trained without: `real and synthetic` less `real`, `few real and "
    "synthetic` less `few real`, `rare synthetic` less `rare repeated`.",
}


def measure(name: str) -> str:
    """The measure that a score's name begins with."""
    return name.partition("[")[0]


def better(name: str) -> str:
    """An arrow to where the better values of a score lie; empty where neither end is."""
    if measure(name) in NEITHER:
        return ""
    return "\N{DOWNWARDS ARROW}" if measure(name) in LOWER_IS_BETTER else "\N{UPWARDS ARROW}"


def readme(board: Board) -> str:
    """What stands in the folder and what each score in it means, as Markdown."""
    found = {measure(score.name) for score in board.scores}
    lines = [
        f"# Scores of {board.model}",
        "",
        "`index.html` shows tables, plots and pictures; `scores.md` has the tables alone, `scores.json` the same as",
        "data. `draws.npz` holds every score on every bootstrap draw: `radloom compare A.json B.json` subtracts them",
        "draw by draw. `predictions/`, where it is there, has what the model wrote, drew and answered.",
        "",
        "A score's name says what made it: `bleu4[findings, r2gen]` is BLEU-4 of the findings under R2Gen's rules for",
        "cleaning and cutting text, `r2gen-mimic` under those for MIMIC-CXR. In square brackets after a value: its",
        "95 % bootstrap interval over patients. `n`: the studies, images or questions it is taken over; an uncertain",
        "label is left out of AUROC. Frechet intervals",
        "have 200 draws and are moved to the value, as draws of a set lie further apart than sets do; those of",
        "precision, recall, density and coverage leave out how neighbourhoods would change, and are narrow by that.",
        "Counts and `codebook_usage` have no interval.",
        "",
        "## Scores",
        "",
        *(f"- `{name}`: {text}" for name, text in sorted(MEASURES.items()) if name in found),
        "",
        "## Columns",
        "",
        f"- `{board.model}`: the model.",
        *(f"- `{name}`: {text}" for name, text in SYSTEMS.items() if any(s.system == name for s in board.scores)),
        "",
        "Observations in texts are found by rule (`rule-labeller`). `uncertain=negative`: what a report calls possible",
        "counts as absent; `uncertain=positive`: as present. `unavailable` says what would have to be installed.",
    ]
    return "\n".join(lines) + "\n"
