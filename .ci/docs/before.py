"""What the examples of the docstrings begin with, on an empty server."""

import redisnb as rnb

conn = rnb.connect()
orders = rnb.Stream(conn, "orders")
events = {
    "2024-05-01 10:30": {"item": "tea", "amount": 2},
    "2024-05-01 10:31": {"item": "coffee", "amount": 1},
    "2024-05-01 10:32": {"item": "tea", "amount": 5},
    "2024-05-01 10:33": {"item": "milk", "amount": 3},
}
orders.add_many(events.values(), ids=events)
billing = rnb.ConsumerGroup(orders, "billing", consumer="ann")
billing.create("all")
cache = rnb.Cache(conn, prefix="report:", ttl="1h")
