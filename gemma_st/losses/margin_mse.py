"""Distillation of score margins: the stock MarginMSELoss, which reads triples in place of lists."""

from sentence_transformers.cross_encoder import losses


class MarginMSELoss(losses.MarginMSELoss):
    """The stock ``MarginMSELoss``; ``reads_triples`` tells the trainer to turn lists into triples for it."""

    reads_triples = True
