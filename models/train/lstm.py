"""The network's arithmetic: LSTM cells, dense layers, Adam. Nothing else is needed.

Gates are ordered i, o, f, c as in ONNX, so export writes the weights unchanged.
"""

import os

# One thread a matrix product: results do not depend on how work was split, and
# two cores are busy all the same with XLA's own parallelism.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402


def linear_init(rng, width, out):
    bound = 1 / np.sqrt(width)
    return {"W": rng.uniform(-bound, bound, (width, out)).astype(np.float32), "b": np.zeros(out, np.float32)}


def lstm_init(rng, width, hidden):
    bound = 1 / np.sqrt(hidden)
    b = np.zeros(4 * hidden, np.float32)
    b[2 * hidden : 3 * hidden] = 1  # remember at first: the forget gate starts open (Jozefowicz et al. 2015)
    return {
        "W": rng.uniform(-bound, bound, (4 * hidden, width)).astype(np.float32),
        "R": rng.uniform(-bound, bound, (4 * hidden, hidden)).astype(np.float32),
        "b": b,
    }


def linear(p, x):
    return x @ p["W"] + p["b"]


def lstm(p, x):
    """x [time, batch, in] -> h of every step [time, batch, H], and the last one."""
    hidden = p["R"].shape[1]
    batch = x.shape[1]
    xw = x @ p["W"].T + p["b"]  # the inputs' part of all gates, for all steps at once

    def step(carry, z):
        h, c = carry
        z = z + h @ p["R"].T
        i, o, f = (jax.nn.sigmoid(z[:, k * hidden : (k + 1) * hidden]) for k in range(3))
        c = f * c + i * jnp.tanh(z[:, 3 * hidden :])
        h = o * jnp.tanh(c)
        return (h, c), h

    zero = jnp.zeros((batch, hidden), x.dtype)
    (last, _), ys = jax.lax.scan(step, (zero, zero), xw)
    return ys, last


def fit(loss, params, train, valid, *, seed, epochs, batch=256, lr=3e-3, patience=8, log=print):
    """Adam (Kingma & Ba 2015) with a cosine schedule and clipped gradients; keeps the epoch that is best on valid.

    loss(params, *arrays) -> scalar; train and valid are tuples of arrays of equal length.
    """
    n = len(train[0])
    batch = min(batch, n)
    steps = max(1, n // batch)
    total = epochs * steps
    zeros = jax.tree.map(jnp.zeros_like, params)

    @jax.jit
    def update(params, m, v, t, *arrays):
        value, g = jax.value_and_grad(loss)(params, *arrays)
        norm = jnp.sqrt(sum(jnp.sum(x * x) for x in jax.tree.leaves(g)))
        g = jax.tree.map(lambda x: x * jnp.minimum(1, 1 / (norm + 1e-9)), g)
        rate = lr * 0.5 * (1 + jnp.cos(jnp.pi * t / total)) + 1e-5
        m = jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, m, g)
        v = jax.tree.map(lambda a, b: 0.999 * a + 0.001 * b * b, v, g)
        c1, c2 = 1 - 0.9 ** (t + 1), 1 - 0.999 ** (t + 1)
        params = jax.tree.map(lambda p, a, b: p - rate * (a / c1) / (jnp.sqrt(b / c2) + 1e-8), params, m, v)
        return params, m, v, value

    judge = jax.jit(loss)
    rng = np.random.Generator(np.random.PCG64(seed))
    m, v, t = zeros, zeros, 0
    best, best_params, waited = np.inf, params, 0
    for epoch in range(epochs):
        order = rng.permutation(n)
        for k in range(steps):
            rows = order[k * batch : (k + 1) * batch]
            params, m, v, value = update(params, m, v, t, *(a[rows] for a in train))
            t += 1
        now = float(judge(params, *valid))
        if now < best * (1 - 1e-4):
            best, best_params, waited = now, params, 0
        else:
            waited += 1
        if epoch % 5 == 0 or epoch == epochs - 1:
            log(f"epoch {epoch + 1}: train {float(value):.5f}, held out {now:.5f}, best {best:.5f}")
        if waited >= patience:
            break
    return jax.tree.map(np.asarray, best_params), best


def fit_many(loss, params, draw, *, seed, steps, lr, decay=0.0, warm=50):
    """Adam with weight decay (Loshchilov & Hutter 2019) on many networks at once, each on batches of its own.

    params and the arrays of draw(step) have the networks as first axis; loss(params, key, *arrays) is that of
    one. Nothing is stopped early: how long is the caller's choice, not the data's.
    """
    n = len(jax.tree.leaves(params)[0])

    def one(params, m, v, t, key, *arrays):
        g = jax.grad(loss)(params, key, *arrays)
        norm = jnp.sqrt(sum(jnp.sum(x * x) for x in jax.tree.leaves(g)))
        g = jax.tree.map(lambda x: x * jnp.minimum(1, 0.5 / (norm + 1e-9)), g)
        rate = lr * 0.5 * (1 + jnp.cos(jnp.pi * t / steps)) * jnp.minimum(1, (t + 1) / warm)
        m = jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, m, g)
        v = jax.tree.map(lambda a, b: 0.999 * a + 0.001 * b * b, v, g)
        c1, c2 = 1 - 0.9 ** (t + 1), 1 - 0.999 ** (t + 1)
        params = jax.tree.map(lambda p, a, b: p * (1 - rate * decay) - rate * (a / c1) / (jnp.sqrt(b / c2) + 1e-8), params, m, v)
        return params, m, v

    update = jax.jit(jax.vmap(one, in_axes=(0, 0, 0, None, 0, *[0] * len(draw(0)))))
    m = v = jax.tree.map(jnp.zeros_like, params)
    key = jax.random.PRNGKey(seed)
    for t in range(steps):
        key, now = jax.random.split(key)
        params, m, v = update(params, m, v, float(t), jax.random.split(now, n), *draw(t))
    return [jax.tree.map(lambda a: np.asarray(a[k]), params) for k in range(n)]


def stack(networks):
    """Networks of one shape as one, with the networks as first axis."""
    return jax.tree.map(lambda *a: np.stack(a), *networks)
