"""The forward model does to a sky what it was measured to do."""

import numpy as np
import pytest
import torch

from mockforge.observe.measure import core_fwhm, noise_autocorrelation, noise_kernel
from mockforge.rng import Stream
from mockforge.sgan.lattice.instrument import Instrument
from mockforge.sgan.paint.blur import Blur, gaussian_kernels

KERNEL = ((0.0, 0.1, 0.0), (0.1, 0.98, 0.1), (0.0, 0.1, 0.0))
ONE = Instrument(rms_njy=(3.0, 5.0), psf_fwhm_pix=(3.0, 4.0), noise_kernel=(KERNEL, KERNEL))


def white(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=Stream(1, ("white",)).torch())


def test_blur_keeps_flux_and_has_the_width_asked_for():
    optics, r = ONE.tensors(), ONE.psf_radius
    point = torch.zeros(1, 2, 41 + 2 * r, 41 + 2 * r)
    point[..., 20 + r, 20 + r] = 100.0
    seen = optics.blur(point)[0]
    assert seen.shape == (2, 41, 41)
    assert seen.sum(dim=(1, 2)).tolist() == pytest.approx([100.0, 100.0], rel=1e-3)
    for band, fwhm in zip(seen.numpy(), ONE.psf_fwhm_pix, strict=True):
        assert core_fwhm(band, np.array([20.0]), np.array([20.0])) == pytest.approx(fwhm, rel=0.06)


def test_nothing_of_period_two_pixels_passes_a_psf():
    from mockforge.sgan.lattice.instrument import _gaussians

    for fwhm in (1.0, 1.5, 2.0, 3.0, 6.0):
        (row,) = _gaussians((fwhm,), 12).double()
        steps = torch.arange(-12, 13)
        assert row.sum().item() == pytest.approx(1.0, abs=1e-6)
        assert (row * (1 - 2 * (steps % 2))).sum().item() == pytest.approx(0.0, abs=1e-6)
        width = 2.3548 * (row * steps**2).sum().sqrt().item()
        assert width == pytest.approx(max(fwhm, 1.665), rel=1e-3)
    assert _gaussians((0.0,), 2).tolist() == [[0, 0, 1, 0, 0]]


def test_noise_has_the_measured_rms_and_correlation():
    seen = ONE.tensors().observe(torch.zeros(1, 2, 400, 400), white(1, 2, 402, 402))[0]
    assert seen.std(dim=(1, 2)).tolist() == pytest.approx([3.0, 5.0], rel=0.02)
    wanted = 2 * 0.1 * 0.98
    for band in seen.numpy():
        found = noise_autocorrelation(band, np.ones(band.shape, bool), 1)
        assert found[1, 2] == pytest.approx(wanted, abs=0.01)


def test_shot_noise_grows_with_flux_and_bright_pixels_saturate():
    instrument = Instrument(
        rms_njy=(1e-6,),
        psf_fwhm_pix=(0.0,),
        noise_kernel=(((1.0,),),),
        electrons_per_njy=(0.25,),
        saturation_njy=(500.0,),
    )
    truth = torch.full((1, 1, 300, 300), 100.0)
    seen = instrument.tensors().observe(truth, white(1, 1, 300, 300), white(1, 1, 300, 300) * 1.0)
    assert seen.std().item() == pytest.approx(20.0, rel=0.02)
    assert (
        instrument.tensors().observe(9 * truth, white(1, 1, 300, 300), white(1, 1, 300, 300)).max() == 500.0
    )


def test_kernel_of_a_measured_autocorrelation_gives_it_back():
    rng = Stream(5, ("noise",)).numpy()
    kernel = noise_kernel(np.array([[0.0, 0.1, 0.0], [0.1, 1.0, 0.1], [0.0, 0.1, 0.0]]))
    assert (kernel**2).sum() == pytest.approx(1.0)
    noise = torch.from_numpy(rng.standard_normal((1, 1, 600, 600)))
    seen = torch.nn.functional.conv2d(noise, torch.from_numpy(kernel.copy())[None, None])[0, 0].numpy()
    found = noise_autocorrelation(seen, np.ones(seen.shape, bool), 1)
    assert found[1, 1] == 1.0
    # The taper lowers the outermost lag, as it must to keep the power spectrum positive.
    assert 0.06 < found[1, 2] < 0.105


def test_flux_is_convolved_in_float32_and_the_flags_are_put_back(monkeypatch):
    convolutions = torch.backends.cudnn.conv, torch.backends.mkldnn.conv
    seen = []
    plain = torch.nn.functional.conv2d

    def watched(*args, **kwargs):
        seen.append([one.fp32_precision for one in convolutions] + [torch.is_autocast_enabled("cpu")])
        return plain(*args, **kwargs)

    # of torch, as both modules call it: a CPU may convolve alike whatever the flags say
    monkeypatch.setattr(torch.nn.functional, "conv2d", watched)
    monkeypatch.setattr("mockforge.sgan.paint.blur.conv2d", watched)
    optics, blur = ONE.tensors(), Blur(gaussian_kernels((2.0, 3.0)))
    before = [one.fp32_precision for one in convolutions]
    try:
        for one in convolutions:
            one.fp32_precision = "tf32"
        with torch.autocast("cpu", dtype=torch.bfloat16):
            for convolved in (optics.blur, optics.correlate, blur):
                assert convolved(white(1, 2, 40, 40)).dtype == torch.float32
            assert torch.is_autocast_enabled("cpu")
        assert [one.fp32_precision for one in convolutions] == ["tf32", "tf32"]
        with pytest.raises(RuntimeError):  # a kernel larger than the image
            optics.correlate(white(1, 2, 2, 2))
        assert [one.fp32_precision for one in convolutions] == ["tf32", "tf32"]
    finally:
        for one, was in zip(convolutions, before, strict=True):
            one.fp32_precision = was
    assert seen == [["ieee", "ieee", False]] * 6


def test_an_instrument_survives_json():
    import json

    assert Instrument.from_json(json.loads(json.dumps(ONE.to_json()))) == ONE
