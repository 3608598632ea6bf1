// From base64 to a picture, through the grey window.

function unpack(text, bits) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  if (bits === 8) return bytes;
  const view = new DataView(bytes.buffer); // little-endian on every machine
  return Uint16Array.from({ length: bytes.length / 2 }, (_, i) => view.getUint16(2 * i, true));
}

// Grey: the window [level - width / 2, level + width / 2] is spread over black to white. Colour: as it is.
function paint(canvas, pixels, channels, grey) {
  const picture = new ImageData(canvas.width, canvas.height);
  const low = grey.level - grey.width / 2;
  for (let i = 0; i < canvas.width * canvas.height; i++) {
    for (let c = 0; c < 3; c++) {
      const value = pixels[i * channels + (channels === 1 ? 0 : c)];
      picture.data[4 * i + c] = channels === 1 ? ((value - low) / grey.width) * 255 : value;
    }
    picture.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
}
