"""Signs many messages quickly: libcrypto itself, for a process a signature would take minutes."""

import base64
import ctypes
import ctypes.util


class Signer:
    """RSASSA-PKCS1-v1_5 with SHA-256, as SMN signs."""

    def __init__(self, key_file):
        self._crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
        for name in ("BIO_new_file", "PEM_read_bio_PrivateKey", "EVP_sha256", "EVP_MD_CTX_new"):
            getattr(self._crypto, name).restype = ctypes.c_void_p
        file = ctypes.c_void_p(self._crypto.BIO_new_file(str(key_file).encode(), b"r"))
        self._key = ctypes.c_void_p(self._crypto.PEM_read_bio_PrivateKey(file, None, None, None))
        self._crypto.BIO_free(file)
        if not self._key:
            raise RuntimeError(f"{key_file} cannot be read")

    def sign(self, data):
        """The base64 signature of bytes."""
        crypto = self._crypto
        context = ctypes.c_void_p(crypto.EVP_MD_CTX_new())
        digest = ctypes.c_void_p(crypto.EVP_sha256())
        signature = ctypes.create_string_buffer(1024)
        length = ctypes.c_size_t(len(signature))
        is_signed = crypto.EVP_DigestSignInit(context, None, digest, None, self._key) == 1
        is_signed = is_signed and crypto.EVP_DigestSign(
            context, signature, ctypes.byref(length), data, ctypes.c_size_t(len(data))
        ) == 1  # fmt: skip
        crypto.EVP_MD_CTX_free(context)
        if not is_signed:
            raise RuntimeError("libcrypto does not sign")
        return base64.b64encode(signature.raw[: length.value]).decode()
