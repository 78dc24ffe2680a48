"""Delivery: sealed segments become objects in the store, then they are deleted.

Import `shipper` (with `uploader.Clock`), `shipment.Packer` and `delivered_ack` to put a server
together, and `layout` for the keys and days of events. Nothing here knows HTTP, the rules of
validation, or which store it is: objects go through the port `storage.stores.store`.
"""
