"""The stores: where delivered objects go, an S3 bucket or a local directory.

`store` has the port and its errors, `choose` opens the store that the settings name; import only
these two. Nothing here knows events, segments or the journal: a store gets a key and bytes, puts
them once, and reports whether a failure is permanent. Retries belong to `storage.delivery`.
"""
