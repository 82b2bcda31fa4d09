"""Concept drift: whether models still mean what they meant, by their scores and by what people say of alerts."""

from .concept import Concept

__all__ = ["Concept"]
