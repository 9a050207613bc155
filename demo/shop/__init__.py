"""The shop: checkout, payment, inventory, shipping and notification, each a real service."""

from demo.shop.event import TOPICS
from demo.shop.rules import shop_rules
from demo.shop.service import Timing
from demo.shop.shop import Shop
from demo.shop.topics import create_topics

__all__ = ["TOPICS", "Shop", "Timing", "create_topics", "shop_rules"]
