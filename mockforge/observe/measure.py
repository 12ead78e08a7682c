"""What the instrument did to a real field: its noise, its PSF, its saturated stars."""

from __future__ import annotations

import numpy as np

from mockforge.field.robust import sigma_mad


def noise_autocorrelation(image: np.ndarray, free: np.ndarray, lags: int) -> np.ndarray:
    """Autocorrelation of source-free sky.

    `image` (y, x) with zero mean sky, `free` (y, x) true where there is no source. Returns
    (2 lags + 1, 2 lags + 1), 1 at the centre, symmetric under the square's eight symmetries
    (training turns and flips its crops).
    """
    sky = np.where(free, image, 0.0).astype(np.float64)
    weight = free.astype(np.float64)
    out = np.ones((2 * lags + 1, 2 * lags + 1))
    variance = (sky**2).sum() / weight.sum()
    height, width = sky.shape
    for dy in range(lags + 1):
        for dx in range(-lags, lags + 1):
            a = (slice(dy, height), slice(max(dx, 0), width + min(dx, 0)))
            b = (slice(0, height - dy), slice(max(-dx, 0), width - max(dx, 0)))
            value = (sky[a] * sky[b]).sum() / max((weight[a] * weight[b]).sum(), 1.0) / variance
            out[lags + dy, lags + dx] = out[lags - dy, lags - dx] = value
    turned = [np.rot90(o, k) for o in (out, out[:, ::-1]) for k in range(4)]
    return np.mean(turned, axis=0)


def noise_kernel(autocorrelation: np.ndarray) -> np.ndarray:
    """Return the kernel whose convolution with white noise has the given autocorrelation.

    The symmetric root: the power spectrum is the transform of the autocorrelation (tapered to
    zero at its edge), the kernel the transform of its square root. Returns the same shape,
    with squares that sum to 1.
    """
    n = autocorrelation.shape[0]
    lags = n // 2
    if lags == 0:
        return np.ones((1, 1))
    y, x = np.mgrid[-lags : lags + 1, -lags : lags + 1]
    taper = np.clip(1.0 - (np.hypot(x, y) / (lags + 1)) ** 4, 0.0, None)
    size = 4 * n
    padded = np.zeros((size, size))
    padded[:n, :n] = autocorrelation * taper
    power = np.fft.fft2(np.roll(padded, (-lags, -lags), (0, 1))).real
    kernel = np.fft.ifft2(np.sqrt(np.clip(power, 0.0, None))).real
    kernel = np.roll(kernel, (lags, lags), (0, 1))[:n, :n]
    return kernel / np.sqrt((kernel**2).sum())


def stars(flux_radius: np.ndarray, snr: np.ndarray) -> np.ndarray:
    """Return the indices of likely stars among compact objects.

    Stars share the smallest half-light radius: the densest narrow interval of radius (8%) among
    the objects with snr above 30 marks them. Empty with fewer than five such objects.
    """
    used = np.flatnonzero((snr > 30) & np.isfinite(flux_radius) & (flux_radius > 0.5))
    if len(used) < 5:
        return used[:0]
    order = used[np.argsort(flux_radius[used])][: max(5, int(0.8 * len(used)))]
    radius = flux_radius[order]
    counts = np.searchsorted(radius, radius * 1.08, side="right") - np.arange(len(radius))
    first = int(np.argmax(counts))
    return order[first : first + counts[first]]


def core_fwhm(image: np.ndarray, x: np.ndarray, y: np.ndarray, half: int = 6) -> float:
    """FWHM in pixels of the PSF's core: the median over stars of a Gaussian fit.

    `image` (y, x) with zero sky; `x`, `y` centres in pixels. Of each star the pixels above 0.3
    of its peak are fitted with ln I = c - r^2 / (2 sigma^2) by least squares. NaN without stars.
    """
    widths = []
    for xc, yc in zip(x, y, strict=True):
        x0, y0 = round(float(xc)) - half, round(float(yc)) - half
        stamp = image[max(y0, 0) : y0 + 2 * half + 1, max(x0, 0) : x0 + 2 * half + 1]
        if stamp.shape != (2 * half + 1, 2 * half + 1) or stamp.max() <= 0:
            continue
        yy, xx = np.mgrid[: 2 * half + 1, : 2 * half + 1]
        square = (xx + x0 - xc) ** 2 + (yy + y0 - yc) ** 2
        core = (stamp > 0.3 * stamp.max()) & (square < half**2)
        if core.sum() >= 5:
            slope = np.polyfit(square[core], np.log(stamp[core]), 1)[0]
            if slope < 0:
                widths.append(2.0 * np.sqrt(2.0 * np.log(2.0)) * np.sqrt(-0.5 / slope))
    return float(np.median(widths)) if widths else float("nan")


def local_rms(band: np.ndarray, free: np.ndarray, mesh: int) -> tuple[tuple[float, ...], ...]:
    """Return the rms of source-free pixels on a mesh, over its median, smoothed by its neighbours'.

    `band` (y, x), `free` (y, x) true where there is no source, `mesh` pixels. All 1 where too little is
    free of sources. Returns rows of the mesh, from the first row of the image.
    """
    from scipy.ndimage import distance_transform_edt, median_filter

    rows, columns = (max(1, n // mesh) for n in band.shape)
    rms = np.full((rows, columns), np.nan)
    for i in range(rows):
        for j in range(columns):
            cell = np.s_[i * mesh : (i + 1) * mesh, j * mesh : (j + 1) * mesh]
            values = band[cell][free[cell]]
            if len(values) > 0.1 * mesh**2:
                rms[i, j] = sigma_mad(values)
    empty = np.isnan(rms)
    if empty.all():  # a field of little more than sources
        return tuple((1.0,) * columns for _ in range(rows))
    nearest = distance_transform_edt(empty, return_distances=False, return_indices=True)
    filled = median_filter(rms[tuple(nearest)], 3, mode="nearest")  # type: ignore[arg-type, index]
    return tuple(tuple(float(v) for v in row) for row in filled / np.median(filled))
