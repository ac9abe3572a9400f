"""A batch's pictures over several devices, so that together they do what one would do. Pure."""


def share(pictures: int, device: int, devices: int) -> tuple[slice, float]:
    """Rows of a batch that a device takes, and the factor on their mean loss with which the mean over devices
    is the batch's mean. A device for which nothing is left takes the first picture, which counts nothing: it
    must take part in the exchange of gradients. A slice is taken without waiting for the device.
    """
    rows = range(device, pictures, devices)
    taken = slice(device, None, devices) if rows else slice(1)
    return taken, devices * len(rows) / pictures
