"""Divides a batch over devices, so that together they compute what one would. Pure."""


def device_rows(pictures: int, device: int, devices: int) -> tuple[slice, float]:
    """A device's rows of a batch, and the factor on their mean loss that makes the mean over devices the
    batch's mean. A device left without rows gets the first picture with factor 0, because every device must
    join the exchange of gradients. Rows are a slice: indexing by one does not wait for the device.
    """
    rows = range(device, pictures, devices)
    part = slice(device, None, devices) if rows else slice(1)
    return part, devices * len(rows) / pictures
