"""A batch's pictures over several devices, so that together they do what one would do. Pure."""


def share(pictures: int, device: int, devices: int) -> tuple[list[int], float]:
    """Rows of a batch that a device takes, and the factor on their mean loss with which the mean over devices
    is the batch's mean. A device for which nothing is left takes the first picture, which counts nothing: it
    must take part in the exchange of gradients.
    """
    rows = list(range(device, pictures, devices))
    return rows or [0], devices * len(rows) / pictures
