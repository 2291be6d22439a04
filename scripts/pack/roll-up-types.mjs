/**
 * Makes one .d.ts of the declarations that an entry's exports need and no more, so that who installs a package needs none of the
 * types behind it. Works on what tsc emits, which is regular: top-level declarations, named imports and exports.
 */
import { readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { parseSync } from 'vite';

/** @throws Error when a public type mentions a type of another package */
export function rollUpTypes(entry) {
  const modules = new Map();
  const open = (path) => {
    if (!modules.has(path)) modules.set(path, readModule(path));
    return modules.get(path);
  };
  /** Declaration a name stands for in a module, through imports and re-exports; null for a global or a type parameter. */
  const find = (path, name) => {
    const module = open(path);
    const declared = module.declarations.get(name);
    if (declared) return declared;
    const link = module.imports.get(name);
    if (!link) return null;
    if (!link.from.startsWith('.')) throw new Error(`a public type mentions ${link.name} of ${link.from} (${basename(path)})`);
    return find(resolve(dirname(path), link.from.replace(/\.ts$/, '.d.ts')), link.name);
  };

  const publicNames = open(entry).exports;
  const needed = new Map();
  const need = (declaration) => {
    if (needed.get(declaration.name) === declaration) return;
    if (needed.has(declaration.name)) throw new Error(`two declarations are called ${declaration.name}`);
    needed.set(declaration.name, declaration);
    for (const name of mentionedNames(declaration.node)) {
      const other = find(declaration.path, name);
      if (other) need(other);
    }
  };
  for (const { name } of publicNames) {
    const declaration = find(entry, name);
    if (!declaration) throw new Error(`${basename(entry)} exports ${name}, which is declared nowhere`);
    need(declaration);
  }
  const list = publicNames.map(({ name, isType }) => (isType ? `type ${name}` : name)).sort();
  return `${[...needed.values()].map(({ text }) => text).join('\n\n')}\n\nexport { ${list.join(', ')} };\n`;
}

function readModule(path) {
  const source = readFileSync(path, 'utf8');
  const { program, comments, errors } = parseSync(path, source);
  if (errors.length > 0) throw new Error(`${path} does not parse: ${errors[0].message}`);
  const declarations = new Map();
  const imports = new Map();
  const exports = [];
  for (const statement of program.body) {
    const from = statement.source?.value;
    if (statement.type === 'ImportDeclaration') {
      for (const { local, imported } of statement.specifiers) imports.set(local.name, { name: imported?.name ?? '*', from });
      continue;
    }
    if (statement.type === 'ExportNamedDeclaration' && !statement.declaration) {
      for (const { local, exported, exportKind } of statement.specifiers) {
        if (local.name !== exported.name) throw new Error(`${path} renames ${local.name}`);
        exports.push({ name: local.name, isType: exportKind === 'type' || statement.exportKind === 'type' });
        if (from) imports.set(local.name, { name: local.name, from });
      }
      continue;
    }
    const node = statement.declaration ?? statement;
    const name = (node.id ?? node.declarations?.[0].id)?.name;
    if (!name) throw new Error(`${path} has a ${statement.type}, which is not understood here`);
    exports.push({ name, isType: false });
    const comment = comments.find(({ end }) => end <= statement.start && source.slice(end, statement.start).trim() === '');
    const doc = comment && comment.type === 'Block' ? `/*${comment.value}*/\n` : '';
    declarations.set(name, { name, path, node, text: doc + source.slice(node.start, node.end) });
  }
  return { declarations, imports, exports };
}

/** Identifiers in a declaration that may stand for another declaration. */
function mentionedNames(node, names = new Set()) {
  if (Array.isArray(node)) for (const child of node) mentionedNames(child, names);
  else if (node && typeof node === 'object') {
    if (node.type === 'TSImportType') throw new Error('a public type is an import("…") type: give it a name in the source');
    if (node.type === 'Identifier') names.add(node.name);
    for (const [key, child] of Object.entries(node)) {
      // A member's own name is no mention.
      if ((key === 'key' && !node.computed) || (key === 'right' && node.type === 'TSQualifiedName')) continue;
      mentionedNames(child, names);
    }
  }
  return names;
}
