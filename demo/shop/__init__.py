"""The shop: checkout, payment, inventory, shipping and notification, each a real service."""

from demo.services.timing import Timing
from demo.shop.event import TOPICS
from demo.shop.shop import Shop

__all__ = ["TOPICS", "Shop", "Timing"]
