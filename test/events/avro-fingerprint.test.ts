import { describe, expect, it } from 'vitest';
import { avroFingerprint } from '../../src/events/avro-fingerprint.js';
import { fingerprintOf, typeFrom } from '../../src/events/released-schemas.js';

describe('the fingerprint of a schema', () => {
  // share/test/data/schema-tests.txt of Apache Avro
  it.each([
    ['"null"', 7195948357588979594n],
    ['"boolean"', -6970731678124411036n],
    ['"int"', 8247732601305521295n],
    ['"bytes"', 5746618253357095269n],
    ['"string"', -8142146995180207161n],
  ])('of %s is the one that Avro’s own tests state', (canonicalForm, expected) => {
    expect(BigInt.asIntN(64, BigInt(`0x${avroFingerprint(canonicalForm)}`))).toBe(expected);
  });

  it('is that of the parsing canonical form: full names, no attributes, fields in order', () => {
    const schema = {
      doc: 'prose',
      fields: [
        { default: null, name: 'a', type: ['null', { type: 'bytes', logicalType: 'byte-text' }] },
        { name: 'b', doc: 'prose', type: { type: 'array', items: { type: 'string', words: ['x'] } } },
        { name: 'c', type: 'string' },
      ],
      namespace: 'n',
      name: 'R',
      type: 'record',
    };
    const canonical =
      '{"name":"n.R","type":"record","fields":[{"name":"a","type":["null","bytes"]},' +
      '{"name":"b","type":{"type":"array","items":"string"}},{"name":"c","type":"string"}]}';
    expect(fingerprintOf(typeFrom(schema))).toBe(avroFingerprint(canonical));
  });
});
